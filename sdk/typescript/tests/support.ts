import assert from 'node:assert/strict'
import { type TestOptions, Theazo } from '../src/client.js'
import type { TheazoError } from '../src/index.js'
import type { Session } from '../src/sessions.js'
import type { FetchAnswer, FetchOptions } from '../src/transport.js'

export const API_KEY = `th_live_${'k'.repeat(12)}_${'s'.repeat(52)}`
export const BASE_URL = 'https://api.theazo.test'
export const REQUEST_ID = `req_${'r'.repeat(26)}`

export const SESSION = {
  id: 's-abc',
  user: 'user_123',
  platform: 'acme',
  sealingId: 'first',
  createdAt: '2025-05-01T10:00:00Z',
  expiresAt: null,
}

export const AGENT = {
  id: 'a-1',
  sessionId: 's-abc',
  compute: 'python',
  phase: 'Pending',
  reason: null,
  message: null,
  stalled: false,
  secrets: [{ name: 'A', from: 'B', updatedAt: null }],
  podName: null,
  exitCode: null,
  createdAt: '2025-05-01T10:00:00Z',
  startedAt: null,
  finishedAt: null,
}

/** What a request is answered with: an answer, an error that `fetch` throws, or nothing at all, for ever. */
export type Step = FetchAnswer | Error | 'silence'

export interface Asked {
  readonly method: string
  readonly url: string
  readonly options: FetchOptions
  readonly body: unknown
}

export function reply(status: number, content: object | string | null, headers: Record<string, string> = {}): Step {
  const type = status < 400 ? 'application/json' : 'application/problem+json'
  const all = new Headers({ 'content-type': type, 'x-request-id': REQUEST_ID, ...headers })
  const text = content === null ? '' : typeof content === 'string' ? content : JSON.stringify(content)
  return { status, headers: all, text: async () => text }
}

export function problem(status: number, code: string, more: object = {}, headers: Record<string, string> = {}): Step {
  return reply(status, { status, code, title: code, detail: `detail of ${code}`, ...more }, headers)
}

export function refused(code: string): Error {
  return new TypeError('fetch failed', { cause: Object.assign(new Error('connect'), { code }) })
}

/** A client whose requests get these answers in this order, and whose sleeps take no time. */
export function rig(steps: Step[], options: Partial<TestOptions> = {}) {
  const asked: Asked[] = []
  const slept: number[] = []
  let elapsed = 0
  const clock = {
    now: () => Date.parse('2026-01-01T00:00:00Z') + elapsed,
    random: () => 1,
    sleep: async (ms: number) => {
      slept.push(ms)
      elapsed += ms
    },
  }
  const theazo = new Theazo({
    apiKey: API_KEY,
    baseUrl: BASE_URL,
    clock,
    fetch: (url, request) => {
      asked.push({ method: request.method, url, options: request, body: request.body && JSON.parse(request.body) })
      const step = steps.shift()
      assert.ok(step !== undefined, `an unforeseen request: ${request.method} ${url}`)
      if (step === 'silence') {
        return new Promise((_, reject) => {
          request.signal.addEventListener('abort', () => reject(request.signal.reason))
        })
      }
      return step instanceof Error ? Promise.reject(step) : Promise.resolve(step)
    },
    ...options,
  } as TestOptions)
  return { theazo, asked, slept, rest: steps }
}

/** The same, with a session at hand. */
export async function sessionRig(steps: Step[], options: Partial<TestOptions> = {}) {
  const made = rig([reply(200, SESSION), ...steps], options)
  const session: Session = await made.theazo.sessions.get(SESSION.id)
  made.asked.length = 0
  return { ...made, session }
}

/** The error that it ends with, which has to be of this kind. */
export async function thrown<T extends TheazoError>(
  // biome-ignore lint/suspicious/noExplicitAny: any constructor of the kind
  kind: abstract new (...args: any[]) => T,
  action: () => unknown,
): Promise<T> {
  try {
    await action()
  } catch (error) {
    assert.ok(error instanceof kind, `${error} is no ${kind.name}`)
    return error
  }
  assert.fail(`no ${kind.name} was thrown`)
}
