import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AgentCannotStart,
  AgentFailed,
  AgentNotFound,
  ComputeNotFound,
  Conflict,
  SecretNotFound,
  SecretsMissing,
  ServerError,
  SessionNotFound,
} from '../src/index.js'
import { FakeTheazo } from '../src/testing/index.js'
import { thrown } from './support.js'

test("the user's page, on the fake", async () => {
  const fake = new FakeTheazo()
  const theazo = fake.client()
  const session = await theazo.sessions.forUser('user_123')
  await session.secrets.set({ OPENAI_API_KEY: 'sk-1', DATABASE_URL: 'postgres://' })
  const agent = await session.agents.create({
    compute: 'python',
    secrets: ['OPENAI_API_KEY', { name: 'DB', from: 'DATABASE_URL' }],
  })
  assert.deepEqual(
    agent.secrets.map(({ name, from }) => [name, from]),
    [
      ['OPENAI_API_KEY', 'OPENAI_API_KEY'],
      ['DB', 'DATABASE_URL'],
    ],
  )
  const [first, second] = await session.secrets.list()
  assert.deepEqual([first?.name, second?.name], ['DATABASE_URL', 'OPENAI_API_KEY'])
  await session.secrets.set({ OPENAI_API_KEY: 'sk-2' })
  assert.deepEqual(fake.secretsOf(session.id), { OPENAI_API_KEY: 'sk-2', DATABASE_URL: 'postgres://' })
  assert.equal((await session.secrets.list())[1]?.createdAt, second?.createdAt)
  await session.secrets.delete('OPENAI_API_KEY')
  await thrown(SecretNotFound, () => session.secrets.delete('OPENAI_API_KEY'))
  const missing = await thrown(SecretsMissing, () =>
    session.agents.create({ compute: 'python', secrets: ['OPENAI_API_KEY'] }),
  )
  assert.deepEqual(missing.missing, ['OPENAI_API_KEY'])
})

test('a session is the same for the same user, until it is deleted', async () => {
  const fake = new FakeTheazo()
  const { sessions } = fake.client()
  const one = await sessions.forUser('one')
  await sessions.forUser('two')
  assert.deepEqual((await sessions.forUser('one')).toJSON(), one.toJSON())
  const users: string[] = []
  for await (const session of sessions.list()) {
    users.push(session.user)
  }
  assert.deepEqual(users, ['one', 'two'])
  for await (const session of sessions.list({ user: 'two' })) {
    assert.equal(session.user, 'two')
  }
  await one.delete()
  await thrown(SessionNotFound, () => one.refresh())
  await thrown(SessionNotFound, () => sessions.delete(one.id))
  const again = await sessions.forUser('one')
  assert.equal(again.id, one.id)
  assert.notEqual(again.sealingId, one.sealingId)
  const error = await thrown(Conflict, () => one.delete())
  assert.equal(error.code, 'session_changed')
  await one.secrets.set({ A: 'sealed for the old one at first' })
  assert.deepEqual(fake.secretsOf(one.id), { A: 'sealed for the old one at first' })
})

test('agents become what a test says, and answers fail when it says so', async () => {
  const fake = new FakeTheazo({ starts: false, computes: ['python'] })
  const session = await fake.client().sessions.forUser('user_123')
  const agent = await session.agents.create({ compute: 'python', idempotencyKey: 'k' })
  assert.equal((await session.agents.create({ compute: 'python', idempotencyKey: 'k' })).id, agent.id)
  await thrown(Conflict, () => session.agents.create({ compute: 'python', args: ['x'], idempotencyKey: 'k' }))
  await thrown(ComputeNotFound, () => session.agents.create({ compute: 'node' }))
  assert.equal(agent.phase, 'Pending')
  fake.stall(agent.id)
  await thrown(AgentCannotStart, () => agent.wait())
  fake.start(agent.id)
  assert.equal((await agent.wait()).podName, `${agent.id}-0`)
  fake.end(agent.id, 1)
  fake.fail(503)
  await thrown(ServerError, () => agent.wait({ until: 'finished' }))
  const error = await thrown(AgentFailed, () => agent.wait({ until: 'finished' }))
  assert.equal(error.exitCode, 1)
  for await (const running of session.agents.list({ phase: 'Running' })) {
    assert.fail(running.id)
  }
  await agent.delete()
  await thrown(AgentNotFound, () => session.agents.get(agent.id))
  assert.deepEqual(fake.requests.at(-1), { method: 'GET', path: `/v1/sessions/${session.id}/agents/${agent.id}` })
})

test('a new key and a session made again are noticed', async () => {
  const fake = new FakeTheazo({ platform: 'acme' })
  const session = await fake.client().sessions.forUser('user_123')
  await session.secrets.set({ A: 'x' })
  fake.rotateKey()
  await session.secrets.set({ B: 'y' })
  fake.recreateSession(session.id)
  await session.secrets.set({ C: 'z' })
  assert.deepEqual(fake.secretsOf(session.id), { C: 'z' })
})
