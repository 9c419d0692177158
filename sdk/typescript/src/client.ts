import { ConfigurationError } from './errors.js'
import { SealingKey } from './sealing-key.js'
import { Sessions } from './sessions.js'
import { Shown } from './shown.js'
import { CLOCK, type Clock, type Fetch, Transport } from './transport.js'

export interface TheazoOptions {
  /** `th_live_…`; default: the environment variable THEAZO_API_KEY. */
  apiKey?: string | undefined
  /** Where the API is; default: the environment variable THEAZO_BASE_URL. */
  baseUrl?: string | undefined
  /**
   * Of the platform's sealing key: values are sealed to this key only, whatever key the API gives, so whoever takes the
   * API over reads none of them. Default: the environment variable THEAZO_FINGERPRINT, or else the API is trusted.
   */
  fingerprint?: string | undefined
  /** For each attempt, in milliseconds; default 30,000. */
  timeoutMs?: number | undefined
  /** How often a request is tried again when that may help; default 4. */
  maxRetries?: number | undefined
  /** What stands in for the global `fetch`, in a test for example. */
  fetch?: Fetch | undefined
}

/** @internal */
export interface TestOptions extends TheazoOptions {
  clock?: Clock
}

const API_KEY = /^th_live_[a-z2-7]{12}_[a-z2-7]{52}$/
const FINGERPRINT = /^[0-9a-f]{16}$/
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1 // of setTimeout

/** A client of one platform. It holds no connection and needs no closing. */
export class Theazo extends Shown {
  readonly #transport: Transport
  readonly sessions: Sessions

  /** Throws ConfigurationError if an option is missing or unusable. */
  constructor(options: TheazoOptions = {}) {
    super()
    const { timeoutMs = 30_000, maxRetries = 4 } = options
    const fingerprint = checkedFingerprint(options.fingerprint ?? process.env['THEAZO_FINGERPRINT'])
    this.#transport = new Transport({
      apiKey: checkedKey(options.apiKey ?? process.env['THEAZO_API_KEY']),
      baseUrl: checkedUrl(options.baseUrl ?? process.env['THEAZO_BASE_URL']),
      timeoutMs: checkedNumber('timeoutMs', timeoutMs, 1, LONGEST_TIMEOUT_MS),
      maxRetries: checkedNumber('maxRetries', maxRetries, 0, 100),
      fetch: options.fetch ?? ((url, request) => globalThis.fetch(url, request)),
      clock: (options as TestOptions).clock ?? CLOCK,
    })
    this.sessions = new Sessions(this.#transport, new SealingKey(this.#transport, fingerprint))
  }

  override toJSON(): object {
    return { baseUrl: this.#transport.baseUrl }
  }

  /** @internal */
  protected override get kind(): string {
    return 'Theazo'
  }
}

function checkedKey(key: string | undefined): string {
  const remedy = 'give the option apiKey, or set the environment variable THEAZO_API_KEY'
  if (key === undefined || key === '') {
    throw new ConfigurationError(`no API key: ${remedy}`)
  }
  if (typeof key !== 'string' || !API_KEY.test(key)) {
    throw new ConfigurationError(`this is no API key, which is th_live_, 12 characters, _ and 52 characters: ${remedy}`)
  }
  return key
}

function checkedUrl(text: string | undefined): string {
  const remedy = 'give the option baseUrl, or set the environment variable THEAZO_BASE_URL'
  if (text === undefined || text === '') {
    throw new ConfigurationError(`no base URL: ${remedy}`)
  }
  const url = URL.canParse(text) ? new URL(text) : null
  // Not shown: it may hold a password, or be something else altogether.
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new ConfigurationError(`this is no base URL, which begins with https:// or http://: ${remedy}`)
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new ConfigurationError(`a base URL has no user, password, ? or #: ${remedy}`)
  }
  return url.origin + url.pathname.replace(/\/+$/, '')
}

function checkedFingerprint(fingerprint: string | undefined): string | undefined {
  // An empty one is a pin that got lost on its way, and must not become none.
  if (fingerprint !== undefined && (typeof fingerprint !== 'string' || !FINGERPRINT.test(fingerprint))) {
    throw new ConfigurationError(
      'this is no fingerprint, which is 16 lower-case hex digits, as `theazo platforms list` shows them: ' +
        'give the option fingerprint, or set the environment variable THEAZO_FINGERPRINT',
    )
  }
  return fingerprint
}

function checkedNumber(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new ConfigurationError(`${name} is a whole number from ${least} to ${most}`)
  }
  return value
}
