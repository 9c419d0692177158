import type { AgentData, SecretInfo, SessionData } from '../models.js'

/** A session and what lives in it. */
export interface Session {
  readonly data: SessionData
  readonly secrets: Map<string, SecretInfo & { readonly value: string }>
  readonly agents: Map<string, AgentData>
  readonly agentsByKey: Map<string, { readonly id: string; readonly request: string }>
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
