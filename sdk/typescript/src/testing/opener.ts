// The other half of sealing, for the fake: it has a private key, which no client of a real API has.

import { Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core'
import { XWing } from '@hpke/hybridkem-x-wing'
import { type Binding, hpkeInfo, PublicKey } from '../sealing.js'

const ENCAPSULATED_KEY_LENGTH = 1120
const hpke = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })

type PrivateKey = Awaited<ReturnType<typeof hpke.kem.generateKeyPair>>['privateKey']

export class Opener {
  readonly key: PublicKey
  readonly #private: PrivateKey

  private constructor(key: PublicKey, privateKey: PrivateKey) {
    this.key = key
    this.#private = privateKey
  }

  static async generate(): Promise<Opener> {
    const pair = await hpke.kem.generateKeyPair()
    const raw = await hpke.kem.serializePublicKey(pair.publicKey)
    return new Opener(new PublicKey(new Uint8Array(raw)), pair.privateKey)
  }

  /** The value of an envelope. Throws if it was sealed for another binding or key. */
  async open(envelope: string, binding: Binding): Promise<string> {
    const dot = envelope.lastIndexOf('.')
    const payload = new Uint8Array(Buffer.from(envelope.slice(dot + 1), 'base64url'))
    const parameters = {
      recipientKey: this.#private,
      enc: payload.slice(0, ENCAPSULATED_KEY_LENGTH),
      info: hpkeInfo(envelope.slice(0, dot), binding),
    }
    const plaintext = await hpke.open(parameters, payload.slice(ENCAPSULATED_KEY_LENGTH))
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(plaintext)
  }
}
