import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as theazo from '../src/index.js'
import { backOff } from '../src/protocol.js'
import { CLOCK } from '../src/transport.js'
import { AGENT, BASE_URL, problem, REQUEST_ID, refused, reply, rig, SESSION, sessionRig, thrown } from './support.js'

const PASSING = [
  problem(429, 'too_many_failures'),
  problem(503, 'unavailable'),
  problem(409, 'conflict'),
  problem(500, 'internal_error'),
  reply(502, '<html>', { 'content-type': 'text/html' }),
  reply(504, ''),
  refused('ECONNREFUSED'),
  new TypeError('fetch failed'),
]

test('what may pass is tried again', async () => {
  for (const step of PASSING) {
    const { theazo, asked, slept } = rig([step, reply(200, SESSION)])
    assert.equal((await theazo.sessions.get('s-abc')).id, 's-abc')
    assert.equal(asked.length, 2)
    assert.deepEqual(slept, [250])
  }
})

test('what stays is not tried again', async () => {
  const kinds: [number, string, typeof theazo.APIError][] = [
    [400, 'invalid_request', theazo.InvalidRequest],
    [400, 'invalid_secret', theazo.InvalidRequest],
    [401, 'unauthorized', theazo.Unauthorized],
    [403, 'platform_not_served', theazo.PermissionDenied],
    [404, 'route_not_found', theazo.NotFound],
    [404, 'session_not_found', theazo.SessionNotFound],
    [404, 'secret_not_found', theazo.SecretNotFound],
    [404, 'agent_not_found', theazo.AgentNotFound],
    [405, 'method_not_allowed', theazo.APIError],
    [409, 'managed_elsewhere', theazo.ManagedElsewhere],
    [409, 'session_ended', theazo.SessionEnded],
    [409, 'idempotency_mismatch', theazo.Conflict],
    [413, 'body_too_large', theazo.TooLarge],
    [415, 'unsupported_media_type', theazo.APIError],
    [422, 'secret_not_found', theazo.SecretsMissing],
    [422, 'compute_not_found', theazo.ComputeNotFound],
    [501, 'x', theazo.ServerError],
    [418, 'x', theazo.APIError],
  ]
  for (const [status, code, kind] of kinds) {
    const { theazo: client, asked } = rig([
      problem(status, code, { missing: ['A'], errors: [{ pointer: '/x', detail: 'd' }] }),
    ])
    const error = await thrown(kind, () => client.sessions.get('s-abc'))
    assert.equal(error.constructor, kind)
    assert.equal(error.name, kind.name)
    assert.deepEqual([error.status, error.code, error.requestId], [status, code, REQUEST_ID])
    assert.equal(error.message, `detail of ${code}; /x: d (${status} ${code}, ${REQUEST_ID})`)
    assert.equal(asked.length, 1)
    assert.ok(!(error instanceof theazo.SecretsMissing) || error.missing[0] === 'A')
    assert.ok(!(error instanceof theazo.InvalidRequest) || error.errors[0]?.pointer === '/x')
  }
})

test('it gives up after maxRetries, with what came last', async () => {
  const { theazo: client, asked, slept } = rig(Array(5).fill(problem(503, 'unavailable')))
  const error = await thrown(theazo.ServerError, () => client.sessions.get('s-abc'))
  assert.equal(error.code, 'unavailable')
  assert.equal(asked.length, 5)
  assert.deepEqual(slept, [250, 500, 1000, 2000])

  const once = rig([refused('ECONNREFUSED')], { maxRetries: 0 })
  const failed = await thrown(theazo.ConnectionFailed, () => once.theazo.sessions.get('s-abc'))
  assert.match(failed.message, /ECONNREFUSED/)
})

test('the pause has full jitter and a cap, and heeds Retry-After', () => {
  assert.equal(backOff(0, 0, null), 0)
  assert.equal(backOff(20, 1, null), 8000)
  assert.equal(backOff(3, 0.5, null), 1000)
  assert.equal(backOff(0, 1, '7'), 7000)
  assert.equal(backOff(0, 1, '7200'), 60_000)
  assert.equal(backOff(0, 1, '0'), 250)
  assert.equal(backOff(0, 1, '-5'), 250)
  assert.equal(backOff(0, 1, 'soon'), 250)
  assert.equal(backOff(0, 1, '9'.repeat(400)), 60_000)
  assert.equal(backOff(0, 1, '٣'), 250)
  assert.equal(backOff(0, 1, 'Thu, 01 Jan 2099 12:00:09 GMT'), 250)
})

test("a step of the machine's clock moves no deadline", ({ mock }) => {
  const before = CLOCK.now()
  mock.method(Date, 'now', () => 0)
  assert.ok(CLOCK.now() >= before)
})

test('Retry-After of an answer is waited for', async () => {
  const { theazo: client, slept } = rig([
    problem(429, 'too_many_failures', {}, { 'retry-after': '3' }),
    reply(200, SESSION),
  ])
  await client.sessions.get('s-abc')
  assert.deepEqual(slept, [3000])
})

test('no answer in time is a RequestTimeout, and tried again', async () => {
  const { theazo: client } = rig(['silence', reply(200, SESSION)], { timeoutMs: 5 })
  await client.sessions.get('s-abc')
  const silent = rig(['silence', 'silence'], { timeoutMs: 5, maxRetries: 1 })
  const error = await thrown(theazo.RequestTimeout, () => silent.theazo.sessions.get('s-abc'))
  assert.ok(error instanceof theazo.ConnectionFailed)
})

test('a redirect is not followed, and not tried again', async () => {
  for (const status of [0, 301, 302, 304, 307, 308]) {
    const { theazo: client, asked } = rig([reply(status, '', { location: 'https://evil.test' })])
    const error = await thrown(theazo.APIError, () => client.sessions.get('s-abc'))
    assert.deepEqual([error.status, error.code], [status, 'unexpected_reply'])
    assert.match(error.message, /redirects/)
    assert.ok(!error.message.includes('evil'))
    assert.equal(asked.length, 1)
  }
})

test('a DELETE whose answer was lost counts as done if there is nothing any more', async () => {
  for (const lost of [refused('ECONNRESET'), problem(503, 'unavailable'), reply(504, '')]) {
    const { session } = await sessionRig([lost, problem(404, 'secret_not_found')])
    await session.secrets.delete('A')
  }
})

test('a DELETE of a session says which one, and another one in its place is done if an answer was lost', async () => {
  for (const lost of [refused('ECONNRESET'), problem(503, 'unavailable'), reply(504, '')]) {
    const { session, asked } = await sessionRig([lost, problem(409, 'session_changed')])
    await session.delete()
    const urls = asked.slice(-2).map(({ url }) => url)
    assert.deepEqual(urls, Array(2).fill(`${BASE_URL}/v1/sessions/s-abc?sealingId=first`))
  }
  const { session } = await sessionRig([problem(409, 'session_changed')])
  await thrown(theazo.Conflict, () => session.delete())
})

test('a DELETE of what was never there is no success, nor one where only a lock was lost', async () => {
  const { session } = await sessionRig([
    problem(404, 'secret_not_found'),
    problem(409, 'conflict'),
    problem(404, 'secret_not_found'),
    refused('ECONNRESET'),
    problem(404, 'route_not_found'),
  ])
  await thrown(theazo.SecretNotFound, () => session.secrets.delete('A'))
  await thrown(theazo.SecretNotFound, () => session.secrets.delete('A'))
  await thrown(theazo.NotFound, () => session.secrets.delete('A'))
})

test('an agent has one idempotency key over all retries, and another agent another one', async () => {
  const { session, asked } = await sessionRig([
    refused('ECONNRESET'),
    reply(201, AGENT),
    reply(201, AGENT),
    reply(200, AGENT),
  ])
  await session.agents.create({ compute: 'python' })
  await session.agents.create({ compute: 'python' })
  await session.agents.create({ compute: 'python', idempotencyKey: 'mine' })
  const keys = asked.map((one) => one.options.headers['idempotency-key'])
  assert.match(keys[0] ?? '', /^[0-9a-f-]{36}$/)
  assert.equal(keys[0], keys[1])
  assert.notEqual(keys[1], keys[2])
  assert.equal(keys[3], 'mine')
})

test('what an error repeats of the API is one line, and not too long', async () => {
  const { theazo: client } = rig([
    problem(400, 'invalid_request', { detail: `a\r\nb\u001b[31m\u2028${'x'.repeat(2000)}` }),
  ])
  const error = await thrown(theazo.InvalidRequest, () => client.sessions.get('s-abc'))
  assert.match(error.detail, /^a b \[31m x{900}x*$/)
  assert.equal(error.detail.length, 1000)
})

test('an answer of something else is an error that says so and does not quote it', async () => {
  for (const text of ['<html>canary', '[]', '"canary"', '{"id": 5}', '{"id":"s","canary":1}']) {
    const { theazo: client } = rig([reply(200, text)])
    const error = await thrown(theazo.APIError, () => client.sessions.get('s-abc'))
    assert.equal(error.code, 'unexpected_reply')
    assert.ok(!String(error.stack).includes('canary'))
  }
  const { theazo: client } = rig([
    reply(403, '{"detail":"canary","code":"canary"}', { 'content-type': 'application/json' }),
  ])
  const error = await thrown(theazo.PermissionDenied, () => client.sessions.get('s-abc'))
  assert.equal(error.code, 'unexpected_reply')
})
