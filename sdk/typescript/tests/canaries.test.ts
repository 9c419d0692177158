// Values and keys go through every path here, good ones and bad; then everything that can be printed is searched.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import { Theazo } from '../src/index.js'
import { FakeTheazo } from '../src/testing/index.js'
import type { FetchOptions } from '../src/transport.js'
import { API_KEY, BASE_URL, problem, refused, reply, rig, sessionRig } from './support.js'

const VALUE = 'CANARY-value-0123456789'
const FORMS = [VALUE, Buffer.from(VALUE).toString('hex'), Buffer.from(VALUE).toString('base64')]
const KEY_PARTS = [API_KEY, 's'.repeat(52)]

function texts(thing: unknown): string[] {
  const deep = { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true }
  const found = [
    String(thing),
    inspect(thing, deep),
    inspect({ thing }, deep),
    format('%s %o %O %j', thing, thing, thing, thing),
  ]
  found.push(JSON.stringify(thing) ?? '', JSON.stringify({ thing }) ?? '')
  if (thing instanceof Error) {
    found.push(thing.message, thing.stack ?? '', ...Object.values(thing).map(String), inspect(thing.cause, deep))
  }
  return found
}

function assertSilent(thing: unknown, ...more: string[]): void {
  for (const text of texts(thing)) {
    for (const canary of [...FORMS, ...KEY_PARTS, ...more]) {
      assert.ok(!text.includes(canary), `a canary in: ${text.slice(0, 200)}`)
    }
  }
}

async function failureOf(action: () => unknown): Promise<unknown> {
  try {
    await action()
  } catch (error) {
    return error
  }
  assert.fail('it should have failed')
}

test('no object shows a value or the key', async () => {
  const fake = new FakeTheazo()
  const theazo = fake.client()
  const session = await theazo.sessions.forUser('user_123')
  await session.secrets.set({ A: VALUE, B: Buffer.from(VALUE) })
  const agent = await session.agents.create({ compute: 'python', secrets: ['A', 'B'] })
  const all = [theazo, theazo.sessions, session, session.secrets, session.agents, agent, await session.secrets.list()]
  for (const thing of all) {
    assertSilent(thing, fake.apiKey)
  }
  assert.match(inspect(session), /^Session \{\n? +id: 's-/)
  assert.equal(inspect(theazo), "Theazo { baseUrl: 'http://theazo.test' }")
  assert.equal(`${theazo}`, '[Theazo]')
})

test('no error before a request shows a value', async () => {
  const { session } = await sessionRig([])
  const { secrets, agents } = session
  const actions = [
    () => secrets.set({ A: `${VALUE}\0` }),
    () => secrets.set({ A: `${VALUE}\ud800` }),
    () => secrets.set({ A: VALUE.repeat(5000) }),
    () => secrets.set({ A: Buffer.concat([Buffer.from(VALUE), Buffer.of(255)]) }),
    () => secrets.set({ A: { VALUE } as never }),
    () => secrets.set({ [VALUE]: 'x' }),
    () => secrets.set({ [`A=${VALUE}`]: VALUE }),
    () => secrets.set(VALUE as never),
    () => secrets.set({ A: VALUE }, { required: [VALUE] }),
    () => secrets.delete(VALUE),
    () => secrets.setFromEnv([VALUE]),
    () => secrets.setFromEnvFile(VALUE),
    () => agents.create({ compute: 'python', secrets: [VALUE] }),
    () => agents.create({ compute: 'python', idempotencyKey: `${VALUE}\n` }),
    () => agents.get(VALUE),
    () => new Theazo({ apiKey: VALUE, baseUrl: BASE_URL }),
    () => new Theazo({ apiKey: API_KEY, baseUrl: VALUE }),
  ]
  for (const action of actions) {
    assertSilent(await failureOf(action))
  }
})

test('no error of a request shows a value, the key or what another program answered', async () => {
  const page = reply(502, `<html>${VALUE}</html>`, { 'content-type': 'text/html' })
  const steps = [
    refused('ECONNRESET'),
    Object.assign(refused(VALUE), { request: { headers: { authorization: API_KEY }, body: VALUE } }),
    new Error(VALUE),
    new Error('x', { cause: new Error(VALUE) }),
    page,
    reply(200, `not JSON ${VALUE}`),
    problem(401, 'unauthorized'),
  ]
  for (const step of steps) {
    const { theazo } = rig([step], { maxRetries: 0 })
    assertSilent(await failureOf(() => theazo.sessions.forUser('user_123')))
  }
})

test('what is sent has no value in it, and the key in one header only', async () => {
  const fake = new FakeTheazo()
  const sent: [string, FetchOptions][] = []
  const theazo = new Theazo({
    apiKey: fake.apiKey,
    baseUrl: fake.baseUrl,
    fetch: (url, options) => {
      sent.push([url, options])
      return fake.fetch(url, options)
    },
  })
  const session = await theazo.sessions.forUser('user_123')
  await session.secrets.set({ A: VALUE })
  assert.equal(fake.secretsOf(session.id)['A'], VALUE)
  for (const [url, { headers, body }] of sent) {
    const { authorization, ...others } = headers
    assert.equal(authorization, `Bearer ${fake.apiKey}`)
    assertSilent([url, others, body], fake.apiKey)
  }
})
