// What the API's answers hold. Names and times only: no answer has a value.

import { APIError } from './errors.js'

/** A secret's name and times (RFC 3339, as the API sends them); never its value. */
export interface SecretInfo {
  readonly name: string
  readonly createdAt: string
  readonly updatedAt: string
}

export type AgentPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed'

/** A secret that an agent declared: the variable's name, the secret's name, and when the value that it got was set. */
export interface AgentSecret {
  readonly name: string
  readonly from: string
  readonly updatedAt: string | null
}

export interface SessionData {
  readonly id: string
  readonly user: string
  readonly platform: string
  readonly sealingId: string
  readonly createdAt: string
  readonly expiresAt: string | null
}

export interface AgentData {
  readonly id: string
  readonly sessionId: string
  readonly compute: string
  readonly phase: AgentPhase
  readonly reason: string | null
  readonly message: string | null
  readonly stalled: boolean
  readonly secrets: readonly AgentSecret[]
  readonly podName: string | null
  readonly exitCode: number | null
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
}

/** Reads the fields of one JSON object. What is missing or of another type means: this isn't a Theazo API. */
export class Fields {
  readonly #content: Record<string, unknown>

  constructor(content: unknown) {
    this.#content = typeof content === 'object' && content !== null ? { ...content } : {}
  }

  text(name: string): string {
    return this.textOrNull(name) ?? unexpected(name)
  }

  textOrNull(name: string): string | null {
    const value = this.#content[name] ?? null
    return value === null || typeof value === 'string' ? value : unexpected(name)
  }

  numberOrNull(name: string): number | null {
    const value = this.#content[name] ?? null
    return value === null || typeof value === 'number' ? value : unexpected(name)
  }

  flag(name: string): boolean {
    const value = this.#content[name]
    return typeof value === 'boolean' ? value : unexpected(name)
  }

  list(name: string): Fields[] {
    const value = this.#content[name]
    return Array.isArray(value) ? value.map((item: unknown) => new Fields(item)) : unexpected(name)
  }
}

function unexpected(name: string): never {
  const detail = `the answer has no proper field "${name}": it is not of a Theazo API that this version knows`
  throw new APIError({ status: 200, code: 'unexpected_reply', detail, requestId: null, missing: [], errors: [] })
}

export function sessionOf(fields: Fields): SessionData {
  return {
    id: fields.text('id'),
    user: fields.text('user'),
    platform: fields.text('platform'),
    sealingId: fields.text('sealingId'),
    createdAt: fields.text('createdAt'),
    expiresAt: fields.textOrNull('expiresAt'),
  }
}

export function secretOf(fields: Fields): SecretInfo {
  return { name: fields.text('name'), createdAt: fields.text('createdAt'), updatedAt: fields.text('updatedAt') }
}

export function agentOf(fields: Fields): AgentData {
  return {
    id: fields.text('id'),
    sessionId: fields.text('sessionId'),
    compute: fields.text('compute'),
    phase: fields.text('phase') as AgentPhase,
    reason: fields.textOrNull('reason'),
    message: fields.textOrNull('message'),
    stalled: fields.flag('stalled'),
    secrets: fields.list('secrets').map((secret) => ({
      name: secret.text('name'),
      from: secret.text('from'),
      updatedAt: secret.textOrNull('updatedAt'),
    })),
    podName: fields.textOrNull('podName'),
    exitCode: fields.numberOrNull('exitCode'),
    createdAt: fields.text('createdAt'),
    startedAt: fields.textOrNull('startedAt'),
    finishedAt: fields.textOrNull('finishedAt'),
  }
}
