import { createHash } from 'node:crypto'
import type { AgentData, SecretInfo, SessionData } from '../models.js'
import { base32 } from '../rules.js'

/** A session and what lives in it. */
export interface Session {
  readonly data: SessionData
  readonly secrets: Map<string, SecretInfo & { readonly value: string }>
  readonly agents: Map<string, AgentData>
  /** What was asked for, by agent. */
  readonly creations: Map<string, string>
}

export interface Declared {
  name: string
  from?: string
  optional?: boolean
}

export interface Answer {
  readonly status: number
  readonly content: object | null
}

export const DONE: Answer = { status: 204, content: null }

export function problem(status: number, code: string, more: object = {}): Answer {
  return { status, content: { status, code, title: code, detail: `the fake says ${code}`, ...more } }
}

/** Deletes one of several things, or answers that there is none. */
export function removed(items: Map<string, unknown>, key: string, code: string): Answer {
  return items.delete(key) ? DONE : problem(404, code)
}

export function now(): string {
  return new Date().toISOString()
}

/** As the API does: the same key gives the same id, also once the agent was deleted and is made again. */
export function agentId(session: Session, key: string): string {
  return `a-${base32(createHash('sha256').update(`${session.data.sealingId} ${key}`).digest()).slice(0, 26)}`
}

/** An agent without a sandbox. */
export function pending(id: string, session: Session, compute: string, declared: Declared[]): AgentData {
  return {
    id,
    sessionId: session.data.id,
    compute,
    phase: 'Pending',
    reason: null,
    message: null,
    stalled: false,
    secrets: declared.map(({ name, from = name }) => ({ name, from, updatedAt: null })),
    podName: null,
    exitCode: null,
    createdAt: now(),
    startedAt: null,
    finishedAt: null,
  }
}
