import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AgentCannotStart,
  AgentFailed,
  InvalidName,
  RequestTimeout,
  SecretsMissing,
  WaitTimeout,
} from '../src/index.js'
import { AGENT, BASE_URL, problem, reply, SESSION, sessionRig, thrown } from './support.js'

const RUNNING = { ...AGENT, phase: 'Running', startedAt: '2025-05-01T10:00:01Z' }
const SUCCEEDED = { ...RUNNING, phase: 'Succeeded', exitCode: 0, finishedAt: '2025-05-01T10:00:02Z' }
const FAILED = {
  ...SUCCEEDED,
  phase: 'Failed',
  stalled: true,
  exitCode: 3,
  reason: 'SandboxFailed',
  message: 'it says so',
}
const STALLED = { ...AGENT, stalled: true, reason: 'SecretNotFound', message: 'the session has no A' }
const LOST = { ...AGENT, phase: 'Failed', stalled: true, reason: 'SandboxNotStarted', message: 'not in time' }

async function agentRig(...states: object[]) {
  const rig = await sessionRig([reply(201, AGENT), ...states.map((state) => reply(200, state))])
  const agent = await rig.session.agents.create({ compute: 'python' })
  return { ...rig, agent }
}

test('what is asked for is sent as it is, and what is answered has its fields', async () => {
  const { session, asked } = await sessionRig([reply(201, SUCCEEDED)])
  const agent = await session.agents.create({
    compute: 'python',
    secrets: ['A', { name: 'B', from: 'C', optional: true }],
    command: ['sh'],
    args: ['-c', 'true'],
    resources: { limits: { memory: '1Gi' } },
    restartPolicy: 'OnFailure',
    activeDeadlineSeconds: 60,
    ttlSecondsAfterFinished: 0,
  })
  assert.deepEqual(asked[0]?.body, {
    compute: 'python',
    secrets: ['A', { name: 'B', from: 'C', optional: true }],
    command: ['sh'],
    args: ['-c', 'true'],
    resources: { limits: { memory: '1Gi' } },
    restartPolicy: 'OnFailure',
    activeDeadlineSeconds: 60,
    ttlSecondsAfterFinished: 0,
  })
  assert.equal(asked[0]?.url, `${BASE_URL}/v1/sessions/${SESSION.id}/agents`)
  assert.deepEqual(JSON.parse(JSON.stringify(agent)), SUCCEEDED)
  const { id, sessionId, compute, phase, reason, message, stalled, secrets, podName, exitCode } = agent
  const { createdAt, startedAt, finishedAt } = agent
  const fields = { id, sessionId, compute, phase, reason, message, stalled, secrets, podName, exitCode }
  assert.deepEqual({ ...fields, createdAt, startedAt, finishedAt }, SUCCEEDED)
})

test('missing secrets are named', async () => {
  const { session } = await sessionRig([problem(422, 'secret_not_found', { missing: ['A', 'B'] })])
  const error = await thrown(SecretsMissing, () => session.agents.create({ compute: 'python', secrets: ['A', 'B'] }))
  assert.deepEqual(error.missing, ['A', 'B'])
})

test('what is no name does not leave the process', async () => {
  const { session, asked } = await sessionRig([])
  for (const secret of ['sk-CANARY', { name: 'sk-CANARY' }, { name: 'A', from: 'sk-CANARY' }]) {
    const error = await thrown(InvalidName, () => session.agents.create({ compute: 'python', secrets: [secret] }))
    assert.ok(!error.message.includes('CANARY'))
  }
  for (const idempotencyKey of ['', 'ä', 'a\n', 'x'.repeat(256)]) {
    await thrown(InvalidName, () => session.agents.create({ compute: 'python', idempotencyKey }))
  }
  await thrown(InvalidName, () => session.agents.get('../x'))
  await thrown(InvalidName, () => session.agents.delete(''))
  assert.equal(asked.length, 0)
})

test('wait: at once where it is there or past', async () => {
  for (const state of [RUNNING, SUCCEEDED, FAILED]) {
    const { agent, slept } = await agentRig(state)
    assert.equal(await agent.wait(), agent)
    assert.deepEqual(slept, [])
  }
})

test('wait: asks again, ever slower, until it is there', async () => {
  const { agent, slept } = await agentRig(...Array(7).fill(AGENT), RUNNING, RUNNING, SUCCEEDED)
  assert.equal((await agent.wait()).phase, 'Running')
  assert.deepEqual(slept, [250, 375, 562.5, 843.75, 1265.625, 1898.4375, 2000])
  assert.equal((await agent.wait({ until: 'finished' })).exitCode, 0)
})

test('wait: ends with why it cannot start', async () => {
  for (const [state, text] of [
    [STALLED, 'agent a-1 cannot start (SecretNotFound): the session has no A'],
    [LOST, 'agent a-1 cannot start (SandboxNotStarted): not in time'],
  ] as const) {
    for (const until of ['running', 'finished'] as const) {
      const { agent } = await agentRig(AGENT, state)
      const error = await thrown(AgentCannotStart, () => agent.wait({ until }))
      assert.deepEqual([error.message, error.reason, error.agentId], [text, state.reason, 'a-1'])
    }
  }
})

test('wait: ends with how it failed', async () => {
  const { agent } = await agentRig(RUNNING, FAILED)
  const error = await thrown(AgentFailed, () => agent.wait({ until: 'finished' }))
  assert.equal(error.exitCode, 3)
  assert.equal(error.message, 'agent a-1 failed with exit code 3 (SandboxFailed): it says so')
})

test('wait: not for longer than it may', async () => {
  const { agent, slept } = await agentRig(AGENT, AGENT, AGENT, AGENT)
  const error = await thrown(WaitTimeout, () => agent.wait({ timeoutMs: 700 }))
  assert.equal(error.message, 'agent a-1 was not there in time')
  assert.deepEqual(slept, [250, 375, 75])
})

test('wait: an answer that does not come in time is no other error', async () => {
  const { session } = await sessionRig([reply(201, AGENT), 'silence'])
  const agent = await session.agents.create({ compute: 'python' })
  await thrown(WaitTimeout, () => agent.wait({ timeoutMs: 0 }))
  const other = await sessionRig([reply(201, AGENT), 'silence'], { timeoutMs: 5, maxRetries: 0 })
  const slow = await other.session.agents.create({ compute: 'python' })
  await thrown(RequestTimeout, () => slow.wait({ timeoutMs: Number.POSITIVE_INFINITY }))
})

test('lists go on to the next page only when they are asked to', async () => {
  const { session, asked } = await sessionRig([
    reply(200, { agents: [AGENT, { ...AGENT, id: 'a-2' }], nextCursor: 'c&1' }),
    reply(200, { agents: [], nextCursor: 'c2' }),
    reply(200, { agents: [{ ...AGENT, id: 'a-3' }], nextCursor: null }),
  ])
  const ids: string[] = []
  for await (const agent of session.agents.list({ phase: 'Pending' })) {
    ids.push(agent.id)
    assert.equal(asked.length, agent.id === 'a-3' ? 3 : 1)
  }
  assert.deepEqual(ids, ['a-1', 'a-2', 'a-3'])
  assert.deepEqual(
    asked.map((one) => new URL(one.url).search),
    ['?phase=Pending', '?phase=Pending&cursor=c%261', '?phase=Pending&cursor=c2'],
  )
})

test('deleting and getting by id', async () => {
  const { session, asked } = await sessionRig([reply(200, RUNNING), reply(204, null), reply(204, null)])
  const agent = await session.agents.get('a-1')
  await agent.delete()
  await session.agents.delete('a-2')
  assert.deepEqual(
    asked.map((one) => `${one.method} ${one.url.slice(BASE_URL.length)}`),
    ['GET', 'DELETE', 'DELETE'].map((method, at) => `${method} /v1/sessions/s-abc/agents/a-${at < 2 ? 1 : 2}`),
  )
})
