import { InvalidPublicKey } from './errors.js'
import { Fields } from './models.js'
import { PublicKey, SUITE } from './sealing.js'
import type { Transport } from './transport.js'

/** The platform's public key: fetched once for a client, and again when the API says that it has changed. */
export class SealingKey {
  readonly #transport: Transport
  readonly #fingerprint: string | undefined
  #fetched: Promise<{ platform: string; key: PublicKey }> | undefined

  /** With a fingerprint, no other key is taken, whatever the API gives. */
  constructor(transport: Transport, fingerprint?: string) {
    this.#transport = transport
    this.#fingerprint = fingerprint
  }

  /** The key of a session's platform. Throws InvalidPublicKey if what the API gives can't be that. */
  async of(platform: string): Promise<PublicKey> {
    this.#fetched ??= this.#fetch()
    const fetched = this.#fetched
    try {
      const { platform: owner, key } = await fetched
      if (owner !== platform) {
        throw new InvalidPublicKey('the API gave the sealing key of another platform than the session is of')
      }
      return key
    } catch (error) {
      this.forget(fetched) // a failure isn't kept: the next call asks again
      throw error
    }
  }

  forget(fetched = this.#fetched): void {
    if (this.#fetched === fetched) {
      this.#fetched = undefined
    }
  }

  async #fetch(): Promise<{ platform: string; key: PublicKey }> {
    const fields = new Fields(await this.#transport.send({ method: 'GET', path: ['sealing-key'] }))
    if (fields.text('suite') !== SUITE) {
      throw new InvalidPublicKey('the sealing key is of a suite that this version does not know; update the SDK')
    }
    const key = PublicKey.fromBase64(fields.text('publicKey'))
    if (key.keyId !== fields.text('keyId')) {
      throw new InvalidPublicKey('the sealing key does not have the key id that the API gives it')
    }
    if (this.#fingerprint !== undefined && key.keyId !== this.#fingerprint) {
      throw new InvalidPublicKey(
        `the API gave the sealing key ${key.keyId}, not the pinned ${this.#fingerprint}; nothing was sealed. ` +
          'Pin another only after an administrator confirms it (`theazo platforms list`)',
      )
    }
    return { platform: fields.text('platform'), key }
  }
}
