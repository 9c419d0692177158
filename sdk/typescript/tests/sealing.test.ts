import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Binding, InvalidName, InvalidPublicKey, InvalidValue, PublicKey, seal } from '../src/index.js'
import { hpkeInfo } from '../src/sealing.js'
import { Opener } from '../src/testing/opener.js'
import { thrown } from './support.js'

const VECTORS = new URL('../../../../tests/vectors/envelopes.json', import.meta.url)
const KEYS: { publicKey: string; keyId: string }[] = Object.values(JSON.parse(readFileSync(VECTORS, 'utf8')).keys)
const BINDING: Binding = { platform: 'acme', session: 'checkout', sealingId: 'Q7.x_K-9zQ2', name: 'OPENAI_API_KEY' }

test('frozen public keys have their frozen key ids', () => {
  assert.ok(KEYS.length > 0)
  for (const { publicKey, keyId } of KEYS) {
    assert.equal(PublicKey.fromBase64(publicKey).keyId, keyId)
  }
})

test('what is sealed opens for its binding and for no other', async () => {
  const opener = await Opener.generate()
  const envelope = await seal('grüße 🔑', BINDING, opener.key)
  assert.match(envelope, new RegExp(`^thz1\\.xwing-sha256-aes256gcm\\.${opener.key.keyId}\\.[A-Za-z0-9_-]+$`))
  assert.equal(await opener.open(envelope, BINDING), 'grüße 🔑')
  for (const field of ['platform', 'session', 'sealingId', 'name'] as const) {
    await assert.rejects(opener.open(envelope, { ...BINDING, [field]: 'other' }))
  }
  assert.notEqual(await seal('grüße 🔑', BINDING, opener.key), envelope)
})

test('info is length-prefixed', () => {
  const info = hpkeInfo('h', { platform: 'ä', session: 's', sealingId: '', name: 'N' })
  assert.equal(Buffer.from(info).toString('hex'), '0001680002c3a400017300000001' + '4e')
})

test('what the rules refuse is not sealed', async () => {
  const { key } = await Opener.generate()
  await thrown(InvalidName, () => seal('x', { ...BINDING, platform: 'Acme' }, key))
  await thrown(InvalidName, () => seal('x', { ...BINDING, session: 's'.repeat(53) }, key))
  await thrown(InvalidName, () => seal('x', { ...BINDING, sealingId: '.x' }, key))
  await thrown(InvalidName, () => seal('x', { ...BINDING, name: 'PATH' }, key))
  await thrown(InvalidValue, () => seal('x\0', BINDING, key))
})

test('what is no public key is refused', async () => {
  const { key } = await Opener.generate()
  await thrown(InvalidPublicKey, () => new PublicKey(new Uint8Array(1215)))
  await thrown(InvalidPublicKey, () => new PublicKey(new Uint8Array(1216).fill(255)))
  const text = Buffer.from(key.bytes()).toString('base64')
  for (const wrong of ['', `${text}=`, text.replaceAll('/', '_').replaceAll('+', '-').replace(/.$/, '*'), `*${text}`]) {
    await thrown(InvalidPublicKey, () => PublicKey.fromBase64(wrong))
  }
  assert.equal(PublicKey.fromBase64(` ${text}\n`).keyId, key.keyId)
})

test('nothing is sealed to a key of low order', async () => {
  const { key } = await Opener.generate()
  const raw = key.bytes()
  for (const low of [new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31))]) {
    raw.set(low, 1184)
    await thrown(InvalidPublicKey, () => seal('x', BINDING, new PublicKey(raw)))
  }
})
