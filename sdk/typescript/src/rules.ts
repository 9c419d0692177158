// What a secret may be called, what it may hold, and how a session is named. Pure: no keys, no I/O.

import { createHash } from 'node:crypto'
import { InvalidName, InvalidValue } from './errors.js'
import { RULES } from './rules-table.js'

const NAME = new RegExp(RULES.namePattern)
const CREDENTIAL = new RegExp(RULES.credentialPattern)
const DNS_LABEL = new RegExp(RULES.dnsLabelPattern)
const SEALING_ID = new RegExp(RULES.sealingIdPattern)

/** Refuses what can't be the name of a secret, nor of the variable that it becomes. Throws InvalidName. */
export function checkName(name: string): void {
  // Not shown when malformed: it may be a value that was put in the wrong place, as in NAME=value.
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new InvalidName("a secret's name is letters, digits and underscores, and doesn't begin with a digit")
  }
  if (CREDENTIAL.test(name)) {
    throw new InvalidName(
      'this looks like a value in the place of a name; if it is one, replace it where it was issued',
    )
  }
  if (name.length > RULES.maxName) {
    throw new InvalidName(`a secret's name has at most ${RULES.maxName} characters; this one has ${name.length}`)
  }
  for (const { why, names, prefixes } of RULES.reserved) {
    if (has(names, name) || prefixes.some((prefix) => name.startsWith(prefix))) {
      throw new InvalidName(`${name} is reserved: it ${why}; choose another name`)
    }
  }
}

/** Refuses what can't be the name of a platform. Throws InvalidName. */
export function checkPlatform(platform: string): void {
  checkPattern("a platform's name", platform, DNS_LABEL, RULES.maxPlatform)
}

/** Refuses what can't be the id of a session. Throws InvalidName. */
export function checkSession(id: string): void {
  checkPattern("a session's name", id, DNS_LABEL, RULES.maxSession)
}

/** Refuses what can't be the id of an agent. Throws InvalidName. */
export function checkAgent(id: string): void {
  checkPattern("an agent's name", id, DNS_LABEL, RULES.maxAgent)
}

/** Refuses what can't be a session's sealing id. Throws InvalidName. */
export function checkSealingId(sealingId: string): void {
  checkPattern('a sealing id', sealingId, SEALING_ID, RULES.maxSealingId)
}

function checkPattern(what: string, text: string, pattern: RegExp, limit: number): void {
  if (typeof text !== 'string' || text.length < 1 || text.length > limit || !pattern.test(text)) {
    throw new InvalidName(`${what} has 1 to ${limit} characters and matches ${pattern.source}`)
  }
}

/**
 * The bytes of a value: always a copy, which the caller may wipe.
 *
 * Throws InvalidValue if it can't be the value of an environment variable. The message tells no more than its length.
 */
export function valueBytes(value: unknown, what: string): Uint8Array<ArrayBuffer> {
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw new InvalidValue(`${what} is no valid Unicode: it has a lone surrogate`)
  }
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw new InvalidValue(`${what} is neither a string nor a Uint8Array`)
  }
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : new Uint8Array(value)
  if (bytes.length < 1 || bytes.length > RULES.maxValue) {
    throw new InvalidValue(`${what} has ${bytes.length} bytes; a secret has 1 to ${RULES.maxValue}`)
  }
  if (bytes.includes(0)) {
    throw new InvalidValue(`${what} holds a NUL byte, which no environment variable can hold`)
  }
  if (!isUtf8(bytes)) {
    throw new InvalidValue(`${what} is not UTF-8; encode binary data, as base64 for example`)
  }
  return bytes
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

/**
 * The name of the session of a platform's user: "s-" and 130 bits of SHA-256(platform, NUL, user) in base32.
 *
 * Throws InvalidName if `platform` is no platform's name, or `user` not 1 to 256 characters of valid Unicode.
 */
export function sessionName(platform: string, user: string): string {
  checkPlatform(platform)
  checkUser(user)
  return `s-${base32(createHash('sha256').update(platform).update('\0').update(user).digest()).slice(0, 26)}`
}

/** Refuses what can't be a user. Throws InvalidName. */
export function checkUser(user: string): void {
  const length = typeof user === 'string' ? [...user].length : 0
  if (length < 1 || length > RULES.maxUser) {
    throw new InvalidName(`a user has 1 to ${RULES.maxUser} characters; this one has ${length}`)
  }
  if (!user.isWellFormed()) {
    throw new InvalidName('a user is valid Unicode; this one has a lone surrogate')
  }
}

/** Lower-case base32 (RFC 4648, 6) without padding; whole groups of 5 bits only. */
export function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.match(/.{5}/g) ?? []
  return groups.map((group) => 'abcdefghijklmnopqrstuvwxyz234567'.charAt(Number.parseInt(group, 2))).join('')
}

function has(names: readonly string[], name: string): boolean {
  return names.includes(name)
}
