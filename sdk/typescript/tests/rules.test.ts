import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidName, InvalidValue } from '../src/index.js'
import { base32, checkAgent, checkName, checkSession, checkUser, sessionName, valueBytes } from '../src/rules.js'
import { thrown } from './support.js'

test('names that a secret may have', () => {
  for (const name of ['A', '_a', 'OPENAI_API_KEY', 'x'.repeat(128), '__proto__', 'constructor', 'PATHS', 'home']) {
    checkName(name)
  }
})

test('a malformed name is never shown: it may be a value', async () => {
  for (const name of ['', '1CANARY', 'CANARY=x', 'CANARY\n', 'CÄNARY', 'CANARY-x', ' CANARY', 'CANARY'.repeat(40)]) {
    const error = await thrown(InvalidName, () => checkName(name))
    assert.ok(!error.message.includes('NARY'))
  }
  await thrown(InvalidName, () => checkName(null as never))
})

test('a reserved name is told, with the reason', async () => {
  for (const name of ['PATH', 'LD_PRELOAD', 'NODE_OPTIONS', 'THEAZO_X', 'KUBERNETES_SERVICE_HOST', 'BASH_ENV']) {
    const error = await thrown(InvalidName, () => checkName(name))
    assert.match(error.message, new RegExp(`^${name} is reserved: it .*; choose another name$`))
  }
})

test('values: 1 byte to 64 KiB of UTF-8 without NUL', async () => {
  for (const value of ['x', 'x'.repeat(65536), 'grüße 🔑\r\n', '\ufeffx', new TextEncoder().encode('é')]) {
    assert.equal(Buffer.from(valueBytes(value, 'it')).toString(), String(typeof value === 'string' ? value : 'é'))
  }
  const refused: [unknown, RegExp][] = [
    ['', /^it has 0 bytes; a secret has 1 to 65536$/],
    ['ä'.repeat(32769), /^it has 65538 bytes/],
    ['canary\0', /NUL/],
    [Uint8Array.of(0xff, 0xfe), /not UTF-8/],
    ['canary\ud800', /Unicode/],
    [undefined, /neither/],
    [5, /neither/],
    [['canary'], /neither/],
  ]
  for (const [value, text] of refused) {
    const error = await thrown(InvalidValue, () => valueBytes(value as string, 'it'))
    assert.match(error.message, text)
    assert.ok(!error.message.includes('canary'))
  }
})

test('bytes of a value are a copy', () => {
  const given = new TextEncoder().encode('value')
  valueBytes(given, 'it').fill(0)
  assert.equal(new TextDecoder().decode(given), 'value')
})

test('a path never gets a segment that changes it', async () => {
  for (const id of ['', '.', '..', 'a/b', 'a?b', 'A', 'a'.repeat(53), '-a']) {
    await thrown(InvalidName, () => checkSession(id))
    await thrown(InvalidName, () => checkAgent(id))
  }
})

test('users are counted in characters', async () => {
  checkUser('🔑'.repeat(256))
  await thrown(InvalidName, () => checkUser('🔑'.repeat(257)))
  await thrown(InvalidName, () => checkUser(''))
  await thrown(InvalidName, () => checkUser('\ud800'))
})

test('base32 as in RFC 4648, 10', () => {
  assert.equal(base32(Buffer.from('fooba')), 'mzxw6ytb')
  assert.equal(base32(Buffer.from('foobarfoob')), `mzxw6ytb${base32(Buffer.from('rfoob'))}`)
})

test("a session's name", () => {
  assert.match(sessionName('acme', 'user_123'), /^s-[a-z2-7]{26}$/)
  assert.notEqual(sessionName('acme', 'b'), sessionName('acm', 'eb'))
})
