import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigurationError, Conflict, InvalidName, InvalidPublicKey, InvalidValue } from '../src/index.js'
import { Opener } from '../src/testing/opener.js'
import { BASE_URL, problem, reply, SESSION, sessionRig, thrown } from './support.js'

const opener = await Opener.generate()
const KEY = {
  platform: 'acme',
  suite: 'xwing-sha256-aes256gcm',
  keyId: opener.key.keyId,
  publicKey: Buffer.from(opener.key.bytes()).toString('base64'),
}
const DONE = reply(204, null)

interface Sealed {
  sealingId: string
  secrets: Record<string, string>
}

async function opened(body: unknown, sealingId: string): Promise<Record<string, string>> {
  const sealed = body as Sealed
  assert.equal(sealed.sealingId, sealingId)
  const entries = Object.entries(sealed.secrets).map(async ([name, envelope]) => {
    return [name, await opener.open(envelope, { platform: 'acme', session: SESSION.id, sealingId, name })] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

test('values leave sealed, all in one request; the key is fetched once', async () => {
  const { session, asked } = await sessionRig([reply(200, KEY), DONE, DONE])
  const values = { OPENAI_API_KEY: 'sk-1', BYTES: new TextEncoder().encode('é'), ['__proto__']: 'p' }
  await session.secrets.set(values)
  await session.secrets.set({ OPENAI_API_KEY: 'sk-2' })
  assert.deepEqual(
    asked.map(({ method, url }) => `${method} ${url.slice(BASE_URL.length)}`),
    ['GET /v1/sealing-key', 'POST /v1/sessions/s-abc/secrets', 'POST /v1/sessions/s-abc/secrets'],
  )
  assert.equal(asked[1]?.options.headers['content-type'], 'application/vnd.theazo.sealed+json')
  assert.deepEqual(Object.entries(await opened(asked[1]?.body, 'first')), [
    ['OPENAI_API_KEY', 'sk-1'],
    ['BYTES', 'é'],
    ['__proto__', 'p'],
  ])
  assert.deepEqual(await opened(asked[2]?.body, 'first'), { OPENAI_API_KEY: 'sk-2' })
  assert.ok(
    values.BYTES.every((byte) => byte > 0),
    'the bytes of the caller stay',
  )
})

test('a session that was made again: values are sealed for the new one, once', async () => {
  const changed = problem(409, 'session_changed')
  const { session, asked } = await sessionRig([
    reply(200, KEY),
    changed,
    reply(200, { ...SESSION, sealingId: 'second' }),
    DONE,
  ])
  await session.secrets.set({ A: 'value' })
  assert.deepEqual(await opened(asked[3]?.body, 'second'), { A: 'value' })
  assert.equal(session.sealingId, 'second')

  const again = await sessionRig([reply(200, KEY), changed, reply(200, SESSION), changed])
  await thrown(Conflict, () => again.session.secrets.set({ A: 'value' }))
})

test('a key that was changed: values are sealed with the new one, once', async () => {
  const other = await Opener.generate()
  const old = { ...KEY, keyId: other.key.keyId, publicKey: Buffer.from(other.key.bytes()).toString('base64') }
  const changed = problem(409, 'sealing_key_changed')
  const { session, asked } = await sessionRig([reply(200, old), changed, reply(200, KEY), DONE])
  await session.secrets.set({ A: 'value' })
  assert.deepEqual(await opened(asked[3]?.body, 'first'), { A: 'value' })

  const again = await sessionRig([reply(200, KEY), changed, reply(200, KEY), changed])
  await thrown(Conflict, () => again.session.secrets.set({ A: 'value' }))
})

test('both may happen in one call', async () => {
  const { session } = await sessionRig([
    reply(200, KEY),
    problem(409, 'session_changed'),
    reply(200, SESSION),
    problem(409, 'sealing_key_changed'),
    reply(200, KEY),
    DONE,
  ])
  await session.secrets.set({ A: 'value' })
})

test('nothing is sealed with a key that is not what the API says', async () => {
  for (const wrong of [{ suite: 'other' }, { keyId: '0'.repeat(16) }, { platform: 'globex' }, { publicKey: 'AAAA' }]) {
    const { session, asked } = await sessionRig([reply(200, { ...KEY, ...wrong }), reply(200, KEY), DONE])
    await thrown(InvalidPublicKey, () => session.secrets.set({ A: 'value' }))
    assert.equal(asked.length, 1)
    await session.secrets.set({ A: 'value' }) // a failure isn't kept
  }
})

test('what is refused is refused before any request', async () => {
  const { session, asked } = await sessionRig([])
  const { secrets } = session
  await thrown(InvalidName, () => secrets.set({ GOOD: 'x', PATH: 'x' }))
  const malformed = await thrown(InvalidName, () => secrets.set({ GOOD: 'x', 'CANARY=x': 'x' }))
  assert.match(malformed.message, /^secret 2 of 2: /)
  const invalid = await thrown(InvalidValue, () => secrets.set({ GOOD: 'x', BAD: 'CANARY\0' }))
  assert.match(invalid.message, /^BAD: the value /)
  await thrown(InvalidValue, () => secrets.set({ A: 5 as never }))
  const unset = await thrown(ConfigurationError, () => secrets.set({ A: undefined as never, B: 'x', C: null as never }))
  assert.deepEqual(unset.missing, ['A', 'C'])
  await thrown(ConfigurationError, () => secrets.set({}))
  await thrown(ConfigurationError, () => secrets.set('CANARY' as never))
  await thrown(ConfigurationError, () => secrets.set(['CANARY'] as never))
  await thrown(ConfigurationError, () =>
    secrets.set(Object.fromEntries(Array.from({ length: 257 }, (_, at) => [`A${at}`, 'x']))),
  )
  const missing = await thrown(ConfigurationError, () => secrets.set({ A: 'x' }, { required: ['A', 'B', 'C'] }))
  assert.match(missing.message, /B, C/)
  await thrown(InvalidName, () => secrets.set({ A: 'x' }, { required: ['CANARY=x'] }))
  await thrown(InvalidName, () => secrets.delete('../CANARY'))
  assert.equal(asked.length, 0)
})

test('list gives names and times, as they were sent', async () => {
  const info = { name: 'A', createdAt: '2025-05-01T10:00:00Z', updatedAt: '2025-05-01T10:00:00.000001Z' }
  const { session } = await sessionRig([reply(200, { secrets: [{ ...info, more: 1 }] })])
  assert.deepEqual(await session.secrets.list(), [info])
})

test('from the environment: each name has to be set there', async () => {
  process.env['SDK_TEST_VALUE'] = 'from-env'
  try {
    const { session, asked } = await sessionRig([reply(200, KEY), DONE])
    await session.secrets.setFromEnv(['SDK_TEST_VALUE'])
    assert.deepEqual(await opened(asked[1]?.body, 'first'), { SDK_TEST_VALUE: 'from-env' })
    const error = await thrown(ConfigurationError, () =>
      session.secrets.setFromEnv(['SDK_TEST_VALUE', 'SDK_TEST_NONE']),
    )
    assert.match(error.message, /SDK_TEST_NONE/)
    await thrown(ConfigurationError, () => session.secrets.setFromEnv(['toString']))
    await thrown(ConfigurationError, () => session.secrets.setFromEnv(['SDK_TEST_VALUE'], { required: ['OTHER'] }))
  } finally {
    delete process.env['SDK_TEST_VALUE']
  }
})

test('from an env file: an error has the line, and neither text nor path', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'theazo-'))
  try {
    const path = join(folder, 'CANARY')
    const { session, asked } = await sessionRig([reply(200, KEY), DONE])
    writeFileSync(path, '\ufeff# comment\nA=1\r\nexport B="two\\n"\nC=\'$x\'\n')
    await session.secrets.setFromEnvFile(path, { required: ['A', 'C'] })
    assert.deepEqual(await opened(asked[1]?.body, 'first'), { A: '1', B: 'two\n', C: '$x' })

    const wrong: [string | Uint8Array, RegExp][] = [
      ['A=1\nCANARY', /line 2: is not NAME=VALUE/],
      ['A=1\nA=CANARY', /line 2: A is given twice, first in line 1/],
      [Uint8Array.of(0xff), /not UTF-8/],
      ['', /1 to 256 secrets/],
    ]
    for (const [text, message] of wrong) {
      writeFileSync(path, text)
      const error = await thrown(ConfigurationError, () => session.secrets.setFromEnvFile(path))
      assert.match(error.message, message)
      assert.ok(!error.message.includes('CANARY'))
    }
    const error = await thrown(ConfigurationError, () => session.secrets.setFromEnvFile(join(folder, 'none-CANARY')))
    assert.match(error.message, /ENOENT/)
    assert.ok(!String(error.stack).includes('CANARY'))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
