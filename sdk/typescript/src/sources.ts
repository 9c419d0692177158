// Where values come from. Everything is checked before anything is sealed or sent.
// Objects are made of entries: an assignment to `__proto__`, which is a name like any other, would be lost.

import { readFile } from 'node:fs/promises'
import { parseEnvFile } from './envfile.js'
import { ConfigurationError, InvalidName } from './errors.js'
import { checkName, valueBytes } from './rules.js'
import { RULES } from './rules-table.js'

/** Values by the names of their secrets. */
export type SecretValues = Readonly<Record<string, string | Uint8Array>>

/**
 * The bytes of each value: copies, which the caller wipes.
 *
 * Throws InvalidName, InvalidValue or ConfigurationError; no message holds a value.
 */
export function checkedValues(
  values: Readonly<Record<string, unknown>>,
  required: readonly string[],
): Map<string, Uint8Array> {
  if (typeof values !== 'object' || values === null || Array.isArray(values) || values instanceof Map) {
    throw new ConfigurationError('secrets are given as an object, { NAME: value }')
  }
  const entries = Object.entries(values)
  if (entries.length < 1 || entries.length > RULES.maxNames) {
    throw new ConfigurationError(`1 to ${RULES.maxNames} secrets can be set at once; these are ${entries.length}`)
  }
  entries.forEach(([name], at) => {
    checkNameAt(name, `secret ${at + 1} of ${entries.length}`)
  })
  required.forEach((name, at) => {
    checkNameAt(name, `required name ${at + 1}`)
  })
  const given = new Set(entries.filter(([, value]) => value !== undefined && value !== null).map(([name]) => name))
  const missing = [...new Set([...Object.keys(values), ...required])].filter((name) => !given.has(name))
  if (missing.length > 0) {
    throw new ConfigurationError(`no value for ${missing.join(', ')}; nothing was set`, missing)
  }
  return new Map(entries.map(([name, value]) => [name, valueBytes(value, `${name}: the value`)]))
}

function checkNameAt(name: string, place: string): void {
  try {
    checkName(name)
  } catch (error) {
    throw error instanceof InvalidName ? new InvalidName(`${place}: ${error.message}`) : error
  }
}

/** The variables of this process's environment, undefined where one isn't set. */
export function fromEnvironment(names: readonly string[]): Record<string, string | undefined> {
  const { env } = process
  return Object.fromEntries(names.map((name) => [name, Object.hasOwn(env, name) ? env[name] : undefined]))
}

/** The assignments of an env file. Throws ConfigurationError, with the line, where it isn't one. */
export async function fromEnvFile(path: string): Promise<Record<string, string>> {
  const values = new Map<string, string>()
  const lines = new Map<string, number>()
  for (const { number, name, value, problem } of parseEnvFile(await textOf(path))) {
    if (problem) {
      throw new ConfigurationError(`env file, line ${number}: ${problem}`)
    }
    checkNameAt(name, `env file, line ${number}`)
    const first = lines.get(name)
    if (first !== undefined) {
      throw new ConfigurationError(`env file, line ${number}: ${name} is given twice, first in line ${first}; keep one`)
    }
    lines.set(name, number)
    values.set(name, value)
  }
  return Object.fromEntries(values)
}

async function textOf(path: string): Promise<string> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    // The path isn't shown: where no such file is, it may be a value that was put in the wrong place.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no usable file name'
    throw new ConfigurationError(`the env file cannot be read: ${code}; give the path of a file`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new ConfigurationError('the env file is not UTF-8; encode binary data, as base64 for example')
  }
}
