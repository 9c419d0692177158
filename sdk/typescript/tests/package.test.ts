import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { VERSION } from '../src/version.js'

const ROOT = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8')
const json = (path: string) => JSON.parse(read(path))

test('the version is that of the package', () => {
  assert.equal(VERSION, json('package.json').version)
  assert.equal(VERSION, json('package-lock.json').version)
})

test('few dependencies, and no registry in the lock file', () => {
  assert.deepEqual(Object.keys(json('package.json').dependencies), ['@hpke/core', '@hpke/hybridkem-x-wing'])
  const packages = Object.entries<{ resolved?: string; integrity?: string }>(json('package-lock.json').packages)
  for (const [path, { resolved, integrity }] of packages) {
    assert.ok(path === '' || (resolved === undefined && integrity), path)
  }
})

test("the example is the user's page, byte for byte", () => {
  const text = read('../../examples/set-secrets.ts')
  assert.equal(
    createHash('sha256').update(text).digest('hex'),
    '285db612a772fa3419c87f968e1d7c72f5c5cfc7e6b6a63aa9b171e0271b0ce9',
  )
})

test('no file is longer than 250 lines', () => {
  for (const folder of ['src', 'src/testing', 'tests', 'scripts']) {
    for (const file of readdirSync(new URL(folder, ROOT)).filter((name) => /\.(ts|mjs)$/.test(name))) {
      assert.ok(read(`${folder}/${file}`).split('\n').length <= 251, `${folder}/${file}`)
    }
  }
})
