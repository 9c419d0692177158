import { Conflict } from './errors.js'
import { Fields, type SecretInfo, secretOf } from './models.js'
import { SEALED_TYPE } from './protocol.js'
import { checkName } from './rules.js'
import { seal } from './sealing.js'
import type { SealingKey } from './sealing-key.js'
import { Shown } from './shown.js'
import { checkedValues, fromEnvFile, fromEnvironment, type SecretValues } from './sources.js'
import type { Transport } from './transport.js'

export interface SetOptions {
  /** Names that must be among those given, or nothing is set. */
  readonly required?: readonly string[] | undefined
}

/** What a session tells its secrets: what values are sealed for. */
export interface SealedFor {
  readonly id: string
  readonly platform: string
  readonly sealingId: string
  refresh(): Promise<unknown>
}

/** The secrets of a session. Values are sealed here and go one way: no call gives one back. */
export class Secrets extends Shown {
  readonly #transport: Transport
  readonly #sealingKey: SealingKey
  readonly #session: SealedFor

  /** @internal */
  constructor(transport: Transport, sealingKey: SealingKey, session: SealedFor) {
    super()
    this.#transport = transport
    this.#sealingKey = sealingKey
    this.#session = session
  }

  /**
   * Sets or overwrites secrets, all of them or none; those not given stay.
   *
   * Running agents keep the values that they have, new ones get these.
   */
  async set(values: SecretValues, options: SetOptions = {}): Promise<void> {
    await this.#set(values, options)
  }

  async #set(values: Readonly<Record<string, unknown>>, options: SetOptions): Promise<void> {
    const bytes = checkedValues(values, options.required ?? [])
    try {
      await this.#post(bytes)
    } finally {
      for (const value of bytes.values()) {
        value.fill(0)
      }
    }
  }

  /** Sets secrets from variables of this process's environment, under the same names; each has to be set. */
  async setFromEnv(names: readonly string[], options: SetOptions = {}): Promise<void> {
    await this.#set(fromEnvironment(names), options)
  }

  /** Sets secrets from an env file of NAME=VALUE lines. What readers of such files read differently is refused. */
  async setFromEnvFile(path: string, options: SetOptions = {}): Promise<void> {
    await this.set(await fromEnvFile(path), options)
  }

  /** Names and times of the session's secrets, sorted by name; never a value. */
  async list(): Promise<SecretInfo[]> {
    const answer = new Fields(await this.#transport.send({ method: 'GET', path: this.#path() }))
    return answer.list('secrets').map(secretOf)
  }

  /** Deletes a secret for good. Running agents keep its value; one that declares it from now on fails. */
  async delete(name: string): Promise<void> {
    checkName(name)
    await this.#transport.send({ method: 'DELETE', path: [...this.#path(), name] })
  }

  override toJSON(): object {
    return { sessionId: this.#session.id }
  }

  /** @internal */
  protected override get kind(): string {
    return 'Secrets'
  }

  #path(): string[] {
    return ['sessions', this.#session.id, 'secrets']
  }

  /** Seals again, once for each reason, when what was sealed for or with has changed meanwhile. */
  async #post(values: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const curable = new Set(['session_changed', 'sealing_key_changed'])
    for (;;) {
      const body = await this.#sealed(values)
      try {
        await this.#transport.send({ method: 'POST', path: this.#path(), body, type: SEALED_TYPE })
        return
      } catch (error) {
        if (!(error instanceof Conflict) || !curable.delete(error.code)) {
          throw error
        }
        if (error.code === 'session_changed') {
          await this.#session.refresh()
        } else {
          this.#sealingKey.forget()
        }
      }
    }
  }

  async #sealed(values: ReadonlyMap<string, Uint8Array>): Promise<object> {
    const { id: session, platform, sealingId } = this.#session
    const key = await this.#sealingKey.of(platform)
    const sealed = new Map<string, string>()
    for (const [name, value] of values) {
      sealed.set(name, await seal(value, { platform, session, sealingId, name }, key))
    }
    return { sealingId, secrets: Object.fromEntries(sealed) }
  }
}
