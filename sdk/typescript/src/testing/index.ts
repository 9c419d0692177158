/**
 * For your tests: an API in memory. Nothing of it listens, and nothing leaves the process.
 *
 *     const fake = new FakeTheazo()
 *     const session = await fake.client().sessions.forUser('user_123')
 *     await session.secrets.set({ OPENAI_API_KEY: 'sk-...' })
 *     const agent = await session.agents.create({ compute: 'python', secrets: ['OPENAI_API_KEY'] })
 *     fake.end(agent.id, 1)
 */

import { Theazo } from '../client.js'
import type { Fetch } from '../transport.js'
import { FakeApi, type FakeOptions } from './api.js'

export type { FakeOptions } from './api.js'

/** What the fake was asked. Bodies are not kept. */
export interface FakeRequest {
  readonly method: string
  readonly path: string
}

export class FakeTheazo {
  readonly apiKey = `th_live_${'a'.repeat(12)}_${'a'.repeat(52)}`
  readonly baseUrl = 'http://theazo.test'
  readonly requests: FakeRequest[] = []
  readonly #api: FakeApi
  readonly #failures: number[] = []

  /** One platform, with a key pair of its own. */
  constructor(options: FakeOptions = {}) {
    this.#api = new FakeApi(options)
  }

  /** A client of it, which by default tries nothing again. */
  client(options: { maxRetries?: number } = {}): Theazo {
    const { maxRetries = 0 } = options
    return new Theazo({ apiKey: this.apiKey, baseUrl: this.baseUrl, maxRetries, fetch: this.fetch })
  }

  /** What to give as the option `fetch`, if you make the client yourself. */
  readonly fetch: Fetch = async (url, { method, headers, body }) => {
    const { pathname, searchParams } = new URL(url)
    this.requests.push({ method, path: pathname })
    const status = this.#failures.shift()
    const answer =
      status === undefined
        ? await this.#api.answer(method, pathname, searchParams, headers, body === undefined ? null : JSON.parse(body))
        : { status, content: { status, code: 'asked_for', detail: 'the test asked for this failure' } }
    const answerHeaders = {
      'content-type': answer.status < 400 ? 'application/json' : 'application/problem+json',
      'x-request-id': `req_${'a'.repeat(26)}`,
    }
    const text = answer.content === null ? '' : JSON.stringify(answer.content)
    return { status: answer.status, headers: new Headers(answerHeaders), text: async () => text }
  }

  /** Makes the next requests fail, one with each status. */
  fail(...statuses: number[]): void {
    this.#failures.push(...statuses)
  }

  /** What a session's secrets are: to see that your code has set what it should. */
  secretsOf(sessionId: string): Record<string, string> {
    const { secrets } = this.#api.session(sessionId)
    return Object.fromEntries([...secrets].map(([name, secret]) => [name, secret.value]))
  }

  /** Makes an agent run. */
  start(agentId: string): void {
    this.#api.start(agentId)
  }

  /** Makes an agent that has not run wait for a person. */
  stall(agentId: string, reason = 'SandboxRefused', message = 'the quota is used up'): void {
    this.#api.stall(agentId, reason, message)
  }

  /** Makes an agent end: Succeeded with exit code 0, else Failed. One that has not run runs first. */
  end(agentId: string, exitCode = 0): void {
    this.#api.end(agentId, exitCode)
  }

  /** Gives the platform a new key. What is sealed to the old one is refused, and a client seals again. */
  rotateKey(): void {
    this.#api.rotateKey()
  }

  /** Makes a session anew for its user: another sealing id, no secrets and no agents. */
  recreateSession(sessionId: string): void {
    this.#api.make(this.#api.session(sessionId).data.user)
  }
}
