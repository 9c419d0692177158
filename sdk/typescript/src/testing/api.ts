// The API in memory: what its answers say, as far as the SDK reads them. All of a list is one page.

import { randomBytes, randomUUID } from 'node:crypto'
import type { AgentData, SessionData } from '../models.js'
import { base32, sessionName } from '../rules.js'
import { SUITE } from '../sealing.js'
import { Opener } from './opener.js'
import { type Answer, agentId, type Declared, DONE, now, pending, problem, removed, type Session } from './records.js'

export interface FakeOptions {
  /** The platform's name; default `test`. */
  platform?: string
  /** The computes that there are; default `python` and `node`. */
  computes?: readonly string[]
  /** Whether an agent runs as soon as it is created; otherwise `start` makes it run. Default true. */
  starts?: boolean
}

interface Creation {
  compute: string
  secrets?: (string | Declared)[]
}

export class FakeApi {
  #opener = Opener.generate()
  readonly #sessions = new Map<string, Session>()
  readonly #options: Required<FakeOptions>

  constructor(options: FakeOptions) {
    this.#options = { platform: 'test', computes: ['python', 'node'], starts: true, ...options }
  }

  rotateKey(): void {
    this.#opener = Opener.generate()
  }

  session(id: string): Session {
    const session = this.#sessions.get(id)
    if (session === undefined) {
      throw new Error(`the fake has no session ${id}`)
    }
    return session
  }

  /** Makes a user's session, instead of the one that was there. */
  make(user: string, ttlSeconds?: number): SessionData {
    const { platform } = this.#options
    const expiresAt = ttlSeconds === undefined ? null : new Date(Date.now() + ttlSeconds * 1000).toISOString()
    const id = sessionName(platform, user)
    const data = { id, user, platform, sealingId: base32(randomBytes(20)), createdAt: now(), expiresAt }
    this.#sessions.set(id, { data, secrets: new Map(), agents: new Map(), creations: new Map() })
    return data
  }

  /** Gives an agent its sandbox, with the values that its session has now. */
  start(agentId: string): void {
    const { session, agent } = this.#find(agentId)
    const running = { phase: 'Running', reason: 'SandboxRunning', message: null, stalled: false } as const
    const secrets = agent.secrets.map((one) => {
      return { ...one, updatedAt: session.secrets.get(one.from)?.updatedAt ?? null }
    })
    session.agents.set(agentId, { ...agent, ...running, secrets, podName: `${agentId}-0`, startedAt: now() })
  }

  stall(agentId: string, reason: string, message: string): void {
    const { session, agent } = this.#find(agentId)
    const waiting = { phase: 'Pending', reason, message, stalled: true } as const
    const secrets = agent.secrets.map((one) => ({ ...one, updatedAt: null }))
    session.agents.set(agentId, { ...agent, ...waiting, secrets, podName: null, startedAt: null })
  }

  /** Ends an agent; one that has not run runs first. */
  end(agentId: string, exitCode: number): void {
    if (this.#find(agentId).agent.startedAt === null) {
      this.start(agentId)
    }
    const { session, agent } = this.#find(agentId)
    const well = exitCode === 0
    session.agents.set(agentId, {
      ...agent,
      phase: well ? 'Succeeded' : 'Failed',
      reason: well ? 'Completed' : 'SandboxFailed',
      message: well ? null : `the sandbox ended with exit code ${exitCode}`,
      stalled: !well,
      exitCode,
      finishedAt: now(),
    })
  }

  #find(agentId: string): { session: Session; agent: AgentData } {
    for (const session of this.#sessions.values()) {
      const agent = session.agents.get(agentId)
      if (agent !== undefined) {
        return { session, agent }
      }
    }
    throw new Error(`the fake has no agent ${agentId}`)
  }

  async answer(
    method: string,
    path: string,
    query: URLSearchParams,
    headers: Readonly<Record<string, string>>,
    // biome-ignore lint/suspicious/noExplicitAny: what the SDK sends is what its types allow
    body: any,
  ): Promise<Answer> {
    const [version, kind, id = '', part, name = ''] = path.split('/').slice(1).map(decodeURIComponent)
    if (version === 'v1' && kind === 'sealing-key') {
      return { status: 200, content: await this.#sealingKey() }
    }
    if (version !== 'v1' || kind !== 'sessions') {
      return problem(404, 'route_not_found')
    }
    if (id === '') {
      return method === 'POST' ? this.#forUser(body) : this.#list(query.get('user'))
    }
    const session = this.#sessions.get(id)
    if (session === undefined) {
      return problem(404, 'session_not_found')
    }
    if (part === undefined) {
      return method === 'DELETE'
        ? this.#end(session.data, query.get('sealingId'))
        : { status: 200, content: session.data }
    }
    if (part === 'secrets') {
      return method === 'POST' ? this.#set(session, body) : secrets(session, method, name)
    }
    return method === 'POST' ? this.#create(session, headers, body) : agents(session, method, name, query.get('phase'))
  }

  async #sealingKey(): Promise<object> {
    const { key } = await this.#opener
    const publicKey = Buffer.from(key.bytes()).toString('base64')
    return { platform: this.#options.platform, suite: SUITE, keyId: key.keyId, publicKey }
  }

  #list(user: string | null): Answer {
    const all = [...this.#sessions.values()].map((session) => session.data)
    return page('sessions', user === null ? all : all.filter((data) => data.user === user))
  }

  #forUser({ user, ttlSeconds }: { user: string; ttlSeconds?: number }): Answer {
    const existing = this.#sessions.get(sessionName(this.#options.platform, user))
    return existing === undefined
      ? { status: 201, content: this.make(user, ttlSeconds) }
      : { status: 200, content: existing.data }
  }

  #end({ id, sealingId }: SessionData, wanted: string | null): Answer {
    return wanted === null || wanted === sealingId
      ? removed(this.#sessions, id, 'session_not_found')
      : problem(409, 'session_changed')
  }

  async #set(session: Session, body: { sealingId: string; secrets: Record<string, string> }): Promise<Answer> {
    const { id, sealingId, platform } = session.data
    if (body.sealingId !== sealingId) {
      return problem(409, 'session_changed')
    }
    const opener = await this.#opener
    const sealed = Object.entries(body.secrets)
    if (sealed.some(([, envelope]) => envelope.split('.')[2] !== opener.key.keyId)) {
      return problem(409, 'sealing_key_changed')
    }
    for (const [name, envelope] of sealed) {
      const value = await opener.open(envelope, { platform, session: id, sealingId, name })
      const createdAt = session.secrets.get(name)?.createdAt ?? now()
      session.secrets.set(name, { name, createdAt, updatedAt: now(), value })
    }
    return DONE
  }

  #create(session: Session, headers: Readonly<Record<string, string>>, body: Creation): Answer {
    const request = JSON.stringify(body)
    const id = agentId(session, headers['idempotency-key'] ?? randomUUID())
    const existing = session.agents.get(id)
    if (existing !== undefined) {
      const same = session.creations.get(id) === request
      return same ? { status: 200, content: existing } : problem(409, 'idempotency_mismatch')
    }
    const declared = (body.secrets ?? []).map((one): Declared => (typeof one === 'string' ? { name: one } : one))
    const needed = declared.filter((one) => !one.optional).map((one) => one.from ?? one.name)
    const missing = [...new Set(needed)].filter((name) => !session.secrets.has(name)).sort()
    if (missing.length > 0) {
      return problem(422, 'secret_not_found', { missing })
    }
    if (!this.#options.computes.includes(body.compute)) {
      return problem(422, 'compute_not_found')
    }
    session.creations.set(id, request)
    session.agents.set(id, pending(id, session, body.compute, declared))
    if (this.#options.starts) {
      this.start(id)
    }
    return { status: 201, content: this.#find(id).agent }
  }
}

function secrets(session: Session, method: string, name: string): Answer {
  if (method === 'DELETE') {
    return removed(session.secrets, name, 'secret_not_found')
  }
  const infos = [...session.secrets.values()].map(({ value: _, ...info }) => info)
  return { status: 200, content: { secrets: infos.sort((one, other) => (one.name < other.name ? -1 : 1)) } }
}

function agents(session: Session, method: string, id: string, phase: string | null): Answer {
  if (id === '') {
    const all = [...session.agents.values()]
    return page('agents', phase === null ? all : all.filter((agent) => agent.phase === phase))
  }
  const agent = session.agents.get(id)
  return agent === undefined || method === 'DELETE'
    ? removed(session.agents, id, 'agent_not_found')
    : { status: 200, content: agent }
}

function page(field: string, items: readonly object[]): Answer {
  return { status: 200, content: { [field]: items, nextCursor: null } }
}
