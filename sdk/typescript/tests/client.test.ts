import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { ConfigurationError, Theazo } from '../src/index.js'
import { API_KEY, BASE_URL, reply, rig, SESSION, thrown } from './support.js'

const VARIABLES = ['THEAZO_API_KEY', 'THEAZO_BASE_URL', 'THEAZO_FINGERPRINT']
const kept = new Map(VARIABLES.map((name) => [name, process.env[name]]))

beforeEach(() => {
  for (const name of VARIABLES) {
    delete process.env[name]
  }
})

afterEach(() => {
  for (const [name, value] of kept) {
    if (value !== undefined) {
      process.env[name] = value
    }
  }
})

test('without an API key it says which option and which variable', async () => {
  for (const apiKey of [undefined, '']) {
    const error = await thrown(ConfigurationError, () => new Theazo({ apiKey, baseUrl: BASE_URL }))
    assert.match(error.message, /apiKey.*THEAZO_API_KEY/)
  }
})

test('without a base URL it says which option and which variable', async () => {
  for (const baseUrl of [undefined, '']) {
    const error = await thrown(ConfigurationError, () => new Theazo({ apiKey: API_KEY, baseUrl }))
    assert.match(error.message, /baseUrl.*THEAZO_BASE_URL/)
  }
})

test('a malformed API key is refused, and never shown', async () => {
  for (const apiKey of ['th_live_...', 'sk-canary', `${API_KEY}\n`, API_KEY.toUpperCase(), ` ${API_KEY}`]) {
    const error = await thrown(ConfigurationError, () => new Theazo({ apiKey, baseUrl: BASE_URL }))
    assert.ok(!error.message.includes(apiKey.trim()))
    assert.match(error.message, /THEAZO_API_KEY/)
  }
})

test('an explicit API key beats the environment, a wrong one too', async () => {
  process.env['THEAZO_API_KEY'] = API_KEY.replaceAll('s', 'e')
  const { theazo, asked } = rig([reply(200, SESSION)])
  await theazo.sessions.get('s-abc')
  assert.equal(asked[0]?.options.headers['authorization'], `Bearer ${API_KEY}`)
  await thrown(ConfigurationError, () => new Theazo({ apiKey: 'th_live_...', baseUrl: BASE_URL }))
})

test('the environment gives what no option does', async () => {
  process.env['THEAZO_API_KEY'] = API_KEY
  process.env['THEAZO_BASE_URL'] = 'https://from.env/theazo/'
  const { theazo, asked } = rig([reply(200, SESSION)], { apiKey: undefined, baseUrl: undefined })
  await theazo.sessions.get('s-abc')
  assert.equal(asked[0]?.url, 'https://from.env/theazo/v1/sessions/s-abc')
})

test('a pin that is none is refused, from the environment too', async () => {
  for (const fingerprint of ['', '0123456789ABCDEF', '0123456789abcde', '0123456789abcdef\n', 'acme']) {
    const error = await thrown(
      ConfigurationError,
      () => new Theazo({ apiKey: API_KEY, baseUrl: BASE_URL, fingerprint }),
    )
    assert.match(error.message, /fingerprint.*THEAZO_FINGERPRINT/)
    process.env['THEAZO_FINGERPRINT'] = fingerprint
    await thrown(ConfigurationError, () => new Theazo({ apiKey: API_KEY, baseUrl: BASE_URL }))
    delete process.env['THEAZO_FINGERPRINT']
  }
})

test('a base URL that is none, or holds a password, is refused and never shown', async () => {
  for (const baseUrl of [
    'canary',
    'ftp://canary',
    'https://user:canary@host',
    'https://host/?canary',
    'https://h/#canary',
  ]) {
    const error = await thrown(ConfigurationError, () => new Theazo({ apiKey: API_KEY, baseUrl }))
    assert.ok(!error.message.includes('canary'))
  }
})

test('numbers that cannot be are refused', async () => {
  for (const option of [
    { timeoutMs: 0 },
    { timeoutMs: Number.NaN },
    { timeoutMs: 2 ** 31 },
    { maxRetries: -1 },
    { maxRetries: 1.5 },
  ]) {
    await thrown(ConfigurationError, () => new Theazo({ apiKey: API_KEY, baseUrl: BASE_URL, ...option }))
  }
})

test('each request follows no redirect, says who asks, and wants JSON', async () => {
  const { theazo, asked } = rig([reply(200, SESSION)])
  await theazo.sessions.forUser('user_123', { ttlSeconds: 60 })
  const { options, url, body, method } = asked[0] ?? assert.fail()
  assert.equal(options.redirect, 'manual')
  assert.match(options.headers['user-agent'] ?? '', /^theazo-typescript\/\d/)
  assert.equal(options.headers['content-type'], 'application/json')
  assert.deepEqual([method, url, body], ['POST', `${BASE_URL}/v1/sessions`, { user: 'user_123', ttlSeconds: 60 }])
})

test('the global fetch is asked at the time of the call', async () => {
  const original = globalThis.fetch
  globalThis.fetch = async () => new Response(JSON.stringify(SESSION))
  try {
    const theazo = new Theazo({ apiKey: API_KEY, baseUrl: BASE_URL })
    assert.equal((await theazo.sessions.get('s-abc')).user, 'user_123')
  } finally {
    globalThis.fetch = original
  }
})
