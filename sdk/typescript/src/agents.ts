import { randomUUID } from 'node:crypto'
import { InvalidName } from './errors.js'
import { AgentCannotStart, AgentFailed, RequestTimeout, WaitTimeout } from './errors-local.js'
import { type AgentData, type AgentPhase, type AgentSecret, agentOf, Fields } from './models.js'
import { pages } from './pages.js'
import { checkAgent, checkName } from './rules.js'
import { Shown } from './shown.js'
import type { Transport } from './transport.js'

/** A secret to declare: its name, or the variable's name with the secret's (`from`), or one that may be missing. */
export type SecretDeclaration = string | { name: string; from?: string | undefined; optional?: boolean | undefined }

/** By resource, such as `{ cpu: '500m', memory: '256Mi', 'nvidia.com/gpu': 1 }`. */
export type Quantities = Readonly<Record<string, string | number>>

export interface AgentOptions {
  /** What kind of sandbox: `python`, `node`, or another that the cluster has. */
  compute: string
  /** The secrets that it gets, and no other. */
  secrets?: readonly SecretDeclaration[] | undefined
  command?: readonly string[] | undefined
  args?: readonly string[] | undefined
  resources?: { limits?: Quantities | undefined; requests?: Quantities | undefined } | undefined
  restartPolicy?: 'Never' | 'OnFailure' | 'Always' | undefined
  activeDeadlineSeconds?: number | undefined
  ttlSecondsAfterFinished?: number | undefined
  secretsDeadlineSeconds?: number | undefined
  startDeadlineSeconds?: number | undefined
  /** The same key makes the same agent: give one if a crashed process may ask again. By default a random one. */
  idempotencyKey?: string | undefined
}

export interface WaitOptions {
  /** Default `running`. */
  until?: 'running' | 'finished' | undefined
  /** Milliseconds, default 300,000; Infinity for without end. */
  timeoutMs?: number | undefined
}

const FIRST_POLL_MS = 250
const POLL_GROWTH = 1.5
const SLOWEST_POLL_MS = 2_000

/** One sandbox run, as it was when it was last asked for; `refresh()` asks again. */
export class Agent extends Shown {
  readonly #transport: Transport
  #data: AgentData

  /** @internal */
  constructor(transport: Transport, data: AgentData) {
    super()
    this.#transport = transport
    this.#data = data
  }

  get id(): string {
    return this.#data.id
  }
  get sessionId(): string {
    return this.#data.sessionId
  }
  get compute(): string {
    return this.#data.compute
  }
  get phase(): AgentPhase {
    return this.#data.phase
  }
  get reason(): string | null {
    return this.#data.reason
  }
  get message(): string | null {
    return this.#data.message
  }
  /** Whether a person must act; so for a failed one too. */
  get stalled(): boolean {
    return this.#data.stalled
  }
  get secrets(): readonly AgentSecret[] {
    return this.#data.secrets
  }
  get podName(): string | null {
    return this.#data.podName
  }
  get exitCode(): number | null {
    return this.#data.exitCode
  }
  get createdAt(): string {
    return this.#data.createdAt
  }
  get startedAt(): string | null {
    return this.#data.startedAt
  }
  get finishedAt(): string | null {
    return this.#data.finishedAt
  }

  /** Asks for its state again. */
  async refresh(): Promise<this> {
    this.#data = agentOf(new Fields(await this.#transport.send({ method: 'GET', path: this.#path() })))
    return this
  }

  /** Deletes it, and with it its sandbox. */
  async delete(): Promise<void> {
    await this.#transport.send({ method: 'DELETE', path: this.#path() })
  }

  /**
   * Waits until it runs or has run (`running`), or has ended well (`finished`), and gives itself.
   *
   * Throws AgentCannotStart as soon as only a person can help, AgentFailed when it failed while its end was waited for,
   * and WaitTimeout.
   */
  async wait(options: WaitOptions = {}): Promise<this> {
    const { until = 'running', timeoutMs = 300_000 } = options
    const { clock } = this.#transport
    const deadline = clock.now() + timeoutMs
    for (let pause = FIRST_POLL_MS; !(await this.#isThere(until, deadline)); pause *= POLL_GROWTH) {
      const left = deadline - clock.now()
      if (left <= 0) {
        throw new WaitTimeout(this.#data)
      }
      await clock.sleep(Math.min(pause, SLOWEST_POLL_MS, left))
    }
    return this
  }

  override toJSON(): AgentData {
    return this.#data
  }

  /** @internal */
  protected override get kind(): string {
    return 'Agent'
  }

  async #isThere(until: 'running' | 'finished', deadline: number): Promise<boolean> {
    try {
      this.#data = agentOf(new Fields(await this.#transport.send({ method: 'GET', path: this.#path() }, deadline)))
    } catch (error) {
      if (error instanceof RequestTimeout && this.#transport.clock.now() >= deadline) {
        throw new WaitTimeout(this.#data)
      }
      throw error
    }
    return isThere(this.#data, until)
  }

  #path(): string[] {
    return ['sessions', this.sessionId, 'agents', this.id]
  }
}

/** Throws where it will never be there. */
function isThere(agent: AgentData, until: 'running' | 'finished'): boolean {
  const ran = agent.startedAt !== null || agent.exitCode !== null
  if ((agent.phase === 'Failed' && !ran) || (agent.phase === 'Pending' && agent.stalled)) {
    throw new AgentCannotStart(agent)
  }
  if (agent.phase === 'Failed' && until === 'finished') {
    throw new AgentFailed(agent)
  }
  return agent.phase !== 'Pending' && (until === 'running' || agent.phase !== 'Running')
}

/** The agents of a session. */
export class Agents extends Shown {
  readonly #transport: Transport
  readonly #sessionId: string

  /** @internal */
  constructor(transport: Transport, sessionId: string) {
    super()
    this.#transport = transport
    this.#sessionId = sessionId
  }

  /** Starts an agent. Throws SecretsMissing if the session doesn't have a secret that it declares. */
  async create(options: AgentOptions): Promise<Agent> {
    const { idempotencyKey = randomUUID(), ...body } = options
    if (!/^(?=.{1,255}$)[!-~]([ -~]*[!-~])?$/.test(idempotencyKey)) {
      throw new InvalidName('an idempotency key has 1 to 255 printable ASCII characters, no space first or last')
    }
    // What is no name may be a value: it doesn't leave the process.
    for (const secret of body.secrets ?? []) {
      const { name, from } = typeof secret === 'string' ? { name: secret, from: undefined } : secret
      checkName(name)
      checkName(from ?? name)
    }
    const answer = await this.#transport.send({ method: 'POST', path: this.#path(), body, idempotencyKey })
    return new Agent(this.#transport, agentOf(new Fields(answer)))
  }

  /** The session's agents, page by page as they are asked for. */
  async *list(options: { phase?: AgentPhase | undefined } = {}): AsyncGenerator<Agent, void, undefined> {
    for await (const item of pages(this.#transport, this.#path(), 'agents', { phase: options.phase })) {
      yield new Agent(this.#transport, agentOf(item))
    }
  }

  async get(id: string): Promise<Agent> {
    const answer = await this.#transport.send({ method: 'GET', path: this.#path(id) })
    return new Agent(this.#transport, agentOf(new Fields(answer)))
  }

  /** Deletes an agent, and with it its sandbox. */
  async delete(id: string): Promise<void> {
    await this.#transport.send({ method: 'DELETE', path: this.#path(id) })
  }

  override toJSON(): object {
    return { sessionId: this.#sessionId }
  }

  /** @internal */
  protected override get kind(): string {
    return 'Agents'
  }

  #path(id?: string): string[] {
    if (id === undefined) {
      return ['sessions', this.#sessionId, 'agents']
    }
    checkAgent(id)
    return ['sessions', this.#sessionId, 'agents', id]
  }
}
