// Seals a value so that only the operator opens it, and only as the secret that it was sealed as.
// The format's manual is the docstring of sdk/python/src/theazo/sealing.py; frozen vectors hold both to it.

import { createHash } from 'node:crypto'
import { Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core'
import { XWing } from '@hpke/hybridkem-x-wing'
import { InvalidName, InvalidPublicKey } from './errors.js'
import { checkName, checkPlatform, checkSealingId, checkSession, valueBytes } from './rules.js'

export const VERSION = 'thz1'
export const SUITE = 'xwing-sha256-aes256gcm'
const MLKEM_PUBLIC_KEY_LENGTH = 1184
const PUBLIC_KEY_LENGTH = MLKEM_PUBLIC_KEY_LENGTH + 32
const MLKEM_MODULUS = 3329
const TAKE_AGAIN = 'take the published one again'

const hpke = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })

/** What a value is sealed as: for which platform, session (its id and sealing id) and secret. */
export interface Binding {
  readonly platform: string
  readonly session: string
  readonly sealingId: string
  readonly name: string
}

/** A platform's public key of 1216 bytes, as the operator publishes it. */
export class PublicKey {
  readonly #raw: Uint8Array<ArrayBuffer>
  /** The fingerprint, which is also the envelopes' key id: 16 lower-case hex digits. */
  readonly keyId: string

  /** Throws InvalidPublicKey if `raw` isn't one. */
  constructor(raw: Uint8Array) {
    if (raw.length !== PUBLIC_KEY_LENGTH) {
      throw new InvalidPublicKey(`a public key has ${PUBLIC_KEY_LENGTH} bytes; this has ${raw.length}`)
    }
    if (!isReduced(raw.subarray(0, MLKEM_PUBLIC_KEY_LENGTH - 32))) {
      throw new InvalidPublicKey(`this is no ML-KEM-768 ‖ X25519 public key; ${TAKE_AGAIN}`)
    }
    this.#raw = new Uint8Array(raw)
    this.keyId = createHash('sha256').update(SUITE).update(raw).digest('hex').slice(0, 16)
  }

  /** The key from its standard base64 with padding. Throws InvalidPublicKey if it isn't that. */
  static fromBase64(text: string): PublicKey {
    const raw = Buffer.from(text, 'base64')
    if (raw.toString('base64') !== text.trim()) {
      throw new InvalidPublicKey(`a public key is standard base64; ${TAKE_AGAIN}`)
    }
    return new PublicKey(raw)
  }

  /** A copy of its bytes. */
  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#raw)
  }
}

/** Whether each coefficient is below the modulus (FIPS 203, 7.2); two of 12 bits in three bytes. */
function isReduced(encoded: Uint8Array): boolean {
  for (let at = 0; at + 2 < encoded.length; at += 3) {
    const [low = 0, middle = 0, high = 0] = encoded.subarray(at, at + 3)
    if ((low | ((middle & 15) << 8)) >= MLKEM_MODULUS || ((middle >> 4) | (high << 4)) >= MLKEM_MODULUS) {
      return false
    }
  }
  return true
}

/**
 * Seals a value; gives the envelope's text, another one at each call.
 *
 * Throws InvalidName, InvalidValue or InvalidPublicKey.
 */
export async function seal(value: string | Uint8Array, binding: Binding, key: PublicKey): Promise<string> {
  checkPlatform(binding.platform)
  checkSession(binding.session)
  checkSealingId(binding.sealingId)
  checkName(binding.name)
  const header = `${VERSION}.${SUITE}.${key.keyId}`
  const info = hpkeInfo(header, binding)
  const plaintext = valueBytes(value, 'the value')
  const recipient = await hpke.kem.deserializePublicKey(key.bytes())
  try {
    const { enc, ct } = await hpke.seal({ recipientPublicKey: recipient, info }, plaintext)
    return `${header}.${Buffer.concat([new Uint8Array(enc), new Uint8Array(ct)]).toString('base64url')}`
  } catch {
    throw new InvalidPublicKey(`nothing can be sealed to this public key; ${TAKE_AGAIN}`)
  } finally {
    plaintext.fill(0)
  }
}

/** HPKE's info: what an envelope is bound to. */
export function hpkeInfo(header: string, binding: Binding): Uint8Array<ArrayBuffer> {
  return lengthPrefixed(header, binding.platform, binding.session, binding.sealingId, binding.name)
}

/** Each part as 2 bytes of length, big-endian, and UTF-8: two different lists never give the same bytes. */
function lengthPrefixed(...parts: string[]): Uint8Array<ArrayBuffer> {
  const encoded = parts.map((part) => Buffer.from(part, 'utf8'))
  if (parts.some((part) => !part.isWellFormed()) || encoded.some((bytes) => bytes.length > 0xffff)) {
    throw new InvalidName("a name isn't valid Unicode, or has more than 65535 bytes")
  }
  const lengths = encoded.map((bytes) => Uint8Array.of(bytes.length >> 8, bytes.length & 255))
  // A copy: @hpke reads `.buffer`, which of a Buffer may be a whole pool.
  return new Uint8Array(Buffer.concat(encoded.flatMap((bytes, at) => [lengths[at] ?? new Uint8Array(), bytes])))
}
