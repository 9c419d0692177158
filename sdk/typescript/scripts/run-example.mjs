// Runs examples/set-secrets.ts as a user would: against the built package, with one literal replaced, the API key.
//
//     THEAZO_API_KEY=… THEAZO_BASE_URL=… node scripts/run-example.mjs
//
// It needs `npm ci && npm run build` before. It ends with the example's exit code, or the compiler's.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGE = fileURLToPath(new URL('..', import.meta.url))
const EXAMPLE = new URL('../../../examples/set-secrets.ts', import.meta.url)
const PLACEHOLDER = "'th_live_...'"

const { THEAZO_API_KEY: key = '', THEAZO_BASE_URL: baseUrl = '', ...environment } = process.env
if (!/^th_live_[a-z2-7]{12}_[a-z2-7]{52}$/.test(key) || baseUrl === '') {
  console.error('error: set THEAZO_API_KEY to an API key, and THEAZO_BASE_URL to where the API is')
  process.exit(2)
}
const parts = readFileSync(EXAMPLE, 'utf8').split(PLACEHOLDER)
if (parts.length !== 2) {
  console.error(`error: the example has ${parts.length - 1} times ${PLACEHOLDER}, not once`)
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'theazo-example-'))
try {
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(PACKAGE, join(folder, 'node_modules', 'theazo'))
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}')
  writeFileSync(join(folder, 'set-secrets.ts'), parts.join(`'${key}'`), { mode: 0o600 })
  process.exitCode = compile() || run()
} finally {
  rmSync(folder, { recursive: true })
}

function compile() {
  const tsc = join(PACKAGE, 'node_modules', 'typescript', 'bin', 'tsc')
  // Not pretty: that would show the line with the key.
  const options = ['--pretty', 'false', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', '']
  return finished([tsc, ...options, 'set-secrets.ts'])
}

function run() {
  // Without THEAZO_API_KEY: the option alone has to do.
  return finished(['set-secrets.js'], { ...environment, THEAZO_BASE_URL: baseUrl })
}

function finished(command, env = environment) {
  const { status, signal } = spawnSync(process.execPath, command, { cwd: folder, env, stdio: 'inherit' })
  if (signal !== null) {
    console.error(`error: ended by ${signal}`)
  }
  return status ?? 1
}
