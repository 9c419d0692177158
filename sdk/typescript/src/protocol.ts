// What is asked and what an answer means. Pure: it makes no request and reads no clock.

import {
  AgentNotFound,
  APIError,
  ComputeNotFound,
  Conflict,
  InvalidRequest,
  ManagedElsewhere,
  NotFound,
  PermissionDenied,
  type Problem,
  RateLimited,
  SecretNotFound,
  SecretsMissing,
  ServerError,
  SessionEnded,
  SessionNotFound,
  TooLarge,
  Unauthorized,
  Unprocessable,
} from './errors.js'

export const JSON_TYPE = 'application/json'
export const SEALED_TYPE = 'application/vnd.theazo.sealed+json'
const PROBLEM_TYPE = 'application/problem+json'

const MAX_TEXT = 1_000 // characters of what the API says that an error repeats
const BACK_OFF_MS = 250
const MAX_BACK_OFF_MS = 8_000
const MAX_RETRY_AFTER_MS = 60_000

/** A request. `path` is a list of segments, each of which is encoded. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: readonly string[]
  readonly query?: Readonly<Record<string, string | number | null | undefined>>
  readonly body?: object
  readonly type?: string
  readonly idempotencyKey?: string
}

/** An answer, as it came. */
export interface Reply {
  readonly status: number
  readonly type: string
  readonly requestId: string | null
  readonly retryAfter: string | null
  readonly text: string
}

/** The URL of a call below a base without a slash at its end. */
export function urlOf(base: string, call: Call): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined && value !== null) {
      query.set(name, String(value))
    }
  }
  const path = ['v1', ...call.path].map(encodeURIComponent).join('/')
  return `${base}/${path}${query.size > 0 ? `?${query}` : ''}`
}

/** The JSON object of a good answer, or null where there is nothing. Throws APIError for all others. */
export function contentOf(reply: Reply): Record<string, unknown> | null {
  if (reply.status === 204) {
    return null
  }
  const content = reply.status < 300 ? parsed(reply.text) : null
  if (content === null) {
    throw errorOf(reply)
  }
  return content
}

/** The error that an answer stands for. */
export function errorOf(reply: Reply): APIError {
  const problem = problemOf(reply)
  const Kind = BY_CODE[`${problem.status} ${problem.code}`] ?? BY_STATUS[problem.status]
  if (Kind !== undefined) {
    return new Kind(problem)
  }
  return problem.status >= 500 ? new ServerError(problem) : new APIError(problem)
}

type Kind = new (problem: Problem) => APIError

const BY_STATUS: Readonly<Record<number, Kind>> = {
  400: InvalidRequest,
  401: Unauthorized,
  403: PermissionDenied,
  404: NotFound,
  409: Conflict,
  413: TooLarge,
  422: Unprocessable,
  429: RateLimited,
}

// By status and code: `secret_not_found` is a secret's 404 and a declaration's 422.
const BY_CODE: Readonly<Record<string, Kind>> = {
  '404 session_not_found': SessionNotFound,
  '404 secret_not_found': SecretNotFound,
  '404 agent_not_found': AgentNotFound,
  '409 managed_elsewhere': ManagedElsewhere,
  '409 session_ended': SessionEnded,
  '422 secret_not_found': SecretsMissing,
  '422 compute_not_found': ComputeNotFound,
}

function problemOf(reply: Reply): Problem {
  const { status, requestId } = reply
  // Only a problem is quoted. Another text is some proxy's, and may hold anything.
  const content = reply.type === PROBLEM_TYPE ? parsed(reply.text) : null
  if (content === null || typeof content['code'] !== 'string') {
    const what = redirects(status) ? 'the server redirects, which is not followed' : 'the answer is not of a Theazo API'
    const detail = `${what}; check the base URL, and what stands before the API`
    return { status, code: 'unexpected_reply', detail, requestId, missing: [], errors: [] }
  }
  const errors = Array.isArray(content['errors']) ? content['errors'] : []
  return {
    status,
    code: line(content['code']),
    detail: line(content['detail']) || line(content['title']),
    requestId: line(content['requestId']) || requestId,
    missing: Array.isArray(content['missing']) ? content['missing'].map(line) : [],
    errors: errors.map((error) => ({ pointer: line(error?.pointer), detail: line(error?.detail) })),
  }
}

/** A browser's fetch shows 0 in the place of a redirect's status. */
function redirects(status: number): boolean {
  return status === 0 || (status >= 300 && status < 400)
}

/** One line of a text, not too long: errors land in logs. */
function line(text: unknown): string {
  return typeof text === 'string' ? text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').slice(0, MAX_TEXT) : ''
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const content: unknown = JSON.parse(text)
    return typeof content === 'object' && content !== null && !Array.isArray(content)
      ? (content as Record<string, unknown>)
      : null
  } catch {
    return null // its error quotes the text
  }
}

/** Whether an answer may be another one soon. */
export function isPassing(reply: Reply): boolean {
  if (reply.status === 409) {
    return problemOf(reply).code === 'conflict'
  }
  return [429, 500, 502, 503, 504].includes(reply.status)
}

/** Whether what was to be deleted is there no more; a 404 may also say that there is no such API. */
export function isGone(reply: Reply): boolean {
  return GONE.has(`${reply.status} ${problemOf(reply).code}`)
}

const GONE: ReadonlySet<string> = new Set([
  '404 session_not_found',
  '404 secret_not_found',
  '404 agent_not_found',
  // A session was made in the place of the one that was to be deleted.
  '409 session_changed',
])

/**
 * How long to wait before retry number `retry` (from 0), in milliseconds.
 *
 * Full jitter, so that many clients don't come back together; what `Retry-After` says, if that is longer.
 */
export function backOff(retry: number, random: number, retryAfter: string | null): number {
  const jittered = random * Math.min(BACK_OFF_MS * 2 ** retry, MAX_BACK_OFF_MS)
  return Math.max(jittered, Math.min(retryAfterMs(retryAfter), MAX_RETRY_AFTER_MS))
}

/** What isn't in seconds counts as nothing: this API never sends a date, and a date asks the clock of the machine. */
function retryAfterMs(text: string | null): number {
  return text !== null && /^\d+$/.test(text) ? Number(text) * 1000 : 0
}
