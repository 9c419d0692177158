import { Agents } from './agents.js'
import { Fields, type SessionData, sessionOf } from './models.js'
import { pages } from './pages.js'
import { checkSession, checkUser } from './rules.js'
import type { SealingKey } from './sealing-key.js'
import { Secrets } from './secrets.js'
import { Shown } from './shown.js'
import type { Transport } from './transport.js'

/** One end user's scope: its secrets and agents live in it, and die with it. */
export class Session extends Shown {
  readonly #transport: Transport
  #data: SessionData
  readonly secrets: Secrets
  readonly agents: Agents

  /** @internal */
  constructor(transport: Transport, sealingKey: SealingKey, data: SessionData) {
    super()
    this.#transport = transport
    this.#data = data
    this.secrets = new Secrets(transport, sealingKey, this)
    this.agents = new Agents(transport, data.id)
  }

  get id(): string {
    return this.#data.id
  }
  get user(): string {
    return this.#data.user
  }
  get platform(): string {
    return this.#data.platform
  }
  /** What values are sealed for, beside the id: another one once the session was made again. */
  get sealingId(): string {
    return this.#data.sealingId
  }
  get createdAt(): string {
    return this.#data.createdAt
  }
  get expiresAt(): string | null {
    return this.#data.expiresAt
  }

  /** Asks for its state again. */
  async refresh(): Promise<this> {
    const answer = await this.#transport.send({ method: 'GET', path: ['sessions', this.id] })
    this.#data = sessionOf(new Fields(answer))
    return this
  }

  /** Ends the session, with its secrets and agents. One that was made in its place since is a `Conflict`. */
  async delete(): Promise<void> {
    const query = { sealingId: this.sealingId }
    await this.#transport.send({ method: 'DELETE', path: ['sessions', this.id], query })
  }

  override toJSON(): SessionData {
    return this.#data
  }

  /** @internal */
  protected override get kind(): string {
    return 'Session'
  }
}

/** The platform's sessions. */
export class Sessions extends Shown {
  readonly #transport: Transport
  readonly #sealingKey: SealingKey

  /** @internal */
  constructor(transport: Transport, sealingKey: SealingKey) {
    super()
    this.#transport = transport
    this.#sealingKey = sealingKey
  }

  /** The session of a user of yours; made if there is none. `ttlSeconds` counts only where it is made. */
  async forUser(user: string, options: { ttlSeconds?: number | undefined } = {}): Promise<Session> {
    checkUser(user)
    const body = { user, ttlSeconds: options.ttlSeconds }
    return this.#session(await this.#transport.send({ method: 'POST', path: ['sessions'], body }))
  }

  async get(id: string): Promise<Session> {
    return this.#session(await this.#transport.send({ method: 'GET', path: this.#path(id) }))
  }

  /** The platform's sessions, page by page as they are asked for. */
  async *list(options: { user?: string | undefined } = {}): AsyncGenerator<Session, void, undefined> {
    if (options.user !== undefined) {
      checkUser(options.user)
    }
    for await (const item of pages(this.#transport, ['sessions'], 'sessions', { user: options.user })) {
      yield new Session(this.#transport, this.#sealingKey, sessionOf(item))
    }
  }

  /** Ends a session, with its secrets and agents. */
  async delete(id: string): Promise<void> {
    const session = await this.get(id)
    await session.delete()
  }

  override toJSON(): object {
    return {}
  }

  /** @internal */
  protected override get kind(): string {
    return 'Sessions'
  }

  #path(id: string): string[] {
    checkSession(id)
    return ['sessions', id]
  }

  #session(answer: unknown): Session {
    return new Session(this.#transport, this.#sealingKey, sessionOf(new Fields(answer)))
  }
}
