// The one place from which requests leave.

import { ConnectionFailed, RequestTimeout } from './errors-local.js'
import { backOff, type Call, contentOf, isGone, isPassing, JSON_TYPE, type Reply, urlOf } from './protocol.js'
import { VERSION } from './version.js'

/** What the SDK asks `fetch` for. */
export interface FetchOptions {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: string
  readonly redirect: 'manual'
  readonly signal: AbortSignal
}

/** What the SDK reads of an answer; a standard `Response` is one. */
export interface FetchAnswer {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
}

/** The standard `fetch`, or what stands in for it in a test. */
export type Fetch = (url: string, options: FetchOptions) => Promise<FetchAnswer>

const SHORTEST_ATTEMPT_MS = 250

/** Time and chance, so that tests need neither. `now` is of a clock that never goes back, in milliseconds. */
export interface Clock {
  now(): number
  sleep(ms: number): Promise<void>
  random(): number
}

export const CLOCK: Clock = {
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  random: () => Math.random(),
}

export interface TransportOptions {
  readonly apiKey: string
  readonly baseUrl: string
  readonly timeoutMs: number
  readonly maxRetries: number
  readonly fetch: Fetch
  readonly clock: Clock
}

export class Transport {
  readonly #options: TransportOptions

  constructor(options: TransportOptions) {
    this.#options = options
  }

  get baseUrl(): string {
    return this.#options.baseUrl
  }

  get clock(): Clock {
    return this.#options.clock
  }

  /**
   * The answer's JSON object, or null where there is nothing. Tries again what may pass, until `deadline` at most.
   *
   * Every request of this API may be repeated: `set` and `forUser` say what shall be, an agent's creation carries a key,
   * and a deletion that finds nothing, or another session, after an answer was lost has been done.
   */
  async send(call: Call, deadline = Number.POSITIVE_INFINITY): Promise<Record<string, unknown> | null> {
    const { clock, maxRetries, timeoutMs } = this.#options
    let maybeDone = false
    for (let retry = 0; ; retry++) {
      const result = await this.#attempt(
        call,
        Math.min(timeoutMs, Math.max(deadline - clock.now(), SHORTEST_ATTEMPT_MS)),
      )
      const passing = result instanceof ConnectionFailed || isPassing(result)
      const left = deadline - clock.now()
      if (!passing || retry >= maxRetries || left <= 0) {
        if (result instanceof ConnectionFailed) {
          throw result
        }
        // The answer to an earlier attempt was lost, and that attempt deleted it.
        return maybeDone && call.method === 'DELETE' && isGone(result) ? null : contentOf(result)
      }
      maybeDone ||= result instanceof ConnectionFailed || result.status >= 500
      const retryAfter = result instanceof ConnectionFailed ? null : result.retryAfter
      await clock.sleep(Math.min(left, backOff(retry, clock.random(), retryAfter)))
    }
  }

  /** An answer, or why there is none; the latter is no cause of anything: its text and fields aren't ours. */
  async #attempt(call: Call, timeoutMs: number): Promise<Reply | ConnectionFailed> {
    const { baseUrl, fetch } = this.#options
    const abort = new AbortController()
    const request = this.#request(call, abort.signal)
    const timer = setTimeout(() => abort.abort(), timeoutMs)
    try {
      const answer = await fetch(urlOf(baseUrl, call), request)
      return {
        status: answer.status,
        type: (answer.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '',
        requestId: answer.headers.get('x-request-id'),
        retryAfter: answer.headers.get('retry-after'),
        text: await answer.text(),
      }
    } catch (error) {
      return abort.signal.aborted
        ? new RequestTimeout(`no answer from ${baseUrl} within ${timeoutMs} ms`)
        : failure(error, baseUrl)
    } finally {
      clearTimeout(timer)
    }
  }

  #request(call: Call, signal: AbortSignal): FetchOptions {
    const headers: Record<string, string> = {
      accept: 'application/json, application/problem+json',
      authorization: `Bearer ${this.#options.apiKey}`,
      'user-agent': `theazo-typescript/${VERSION}`,
    }
    if (call.idempotencyKey !== undefined) {
      headers['idempotency-key'] = call.idempotencyKey
    }
    if (call.body === undefined) {
      return { method: call.method, headers, redirect: 'manual', signal }
    }
    headers['content-type'] = call.type ?? JSON_TYPE
    return { method: call.method, headers, body: JSON.stringify(call.body), redirect: 'manual', signal }
  }
}

function failure(error: unknown, baseUrl: string): ConnectionFailed {
  const cause: unknown = error instanceof Error ? error.cause : undefined
  const code: unknown = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined
  const why = typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,50}$/.test(code) ? ` (${code})` : ''
  return new ConnectionFailed(`no answer from ${baseUrl}${why}; check the base URL and the network`)
}
