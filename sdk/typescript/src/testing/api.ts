// The API in memory: what its answers say, as far as the SDK reads them. All of a list is one page.

import { randomBytes, randomUUID } from 'node:crypto'
import type { AgentData, SessionData } from '../models.js'
import { base32, sessionName } from '../rules.js'
import { SUITE } from '../sealing.js'
import { Opener } from './opener.js'
import { type Answer, DONE, now, problem, removed, type Session } from './records.js'

export interface FakeOptions {
  /** The platform's name; default `test`. */
  platform?: string
  /** The computes that there are; default `python` and `node`. */
  computes?: readonly string[]
  /** Whether an agent runs as soon as it is created; otherwise `start` makes it run. Default true. */
  starts?: boolean
}

interface Declared {
  name: string
  from?: string
  optional?: boolean
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
    this.#sessions.set(id, { data, secrets: new Map(), agents: new Map(), agentsByKey: new Map() })
    return data
  }

  change(agentId: string, changes: Partial<AgentData>): void {
    for (const { agents } of this.#sessions.values()) {
      const agent = agents.get(agentId)
      if (agent !== undefined) {
        agents.set(agentId, { ...agent, ...changes })
        return
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
    const key = headers['idempotency-key'] ?? randomUUID()
    const request = JSON.stringify(body)
    const earlier = session.agentsByKey.get(key)
    const existing = session.agents.get(earlier?.id ?? '')
    if (earlier !== undefined && existing !== undefined) {
      return earlier.request === request ? { status: 200, content: existing } : problem(409, 'idempotency_mismatch')
    }
    if (!this.#options.computes.includes(body.compute)) {
      return problem(422, 'compute_not_found')
    }
    const declared = (body.secrets ?? []).map((one): Declared => (typeof one === 'string' ? { name: one } : one))
    const missing = declared.filter((one) => !one.optional && !session.secrets.has(one.from ?? one.name))
    if (missing.length > 0) {
      return problem(422, 'secret_not_found', { missing: missing.map((one) => one.from ?? one.name) })
    }
    const agent = this.#agent(session, body.compute, declared)
    session.agents.set(agent.id, agent)
    session.agentsByKey.set(key, { id: agent.id, request })
    return { status: 201, content: agent }
  }

  #agent(session: Session, compute: string, declared: Declared[]): AgentData {
    const { starts } = this.#options
    const id = `a-${base32(randomBytes(20)).slice(0, 26)}`
    const secrets = declared.map(({ name, from = name }) => {
      return { name, from, updatedAt: starts ? (session.secrets.get(from)?.updatedAt ?? null) : null }
    })
    return {
      id,
      sessionId: session.data.id,
      compute,
      phase: starts ? 'Running' : 'Pending',
      reason: starts ? 'Running' : null,
      message: null,
      stalled: false,
      secrets,
      podName: starts ? `${id}-0` : null,
      exitCode: null,
      createdAt: now(),
      startedAt: starts ? now() : null,
      finishedAt: null,
    }
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
