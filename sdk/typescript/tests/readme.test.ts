import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { FakeTheazo } from '../src/testing/index.js'

const README = new URL('../../README.md', import.meta.url)
const MODULES = { "'theazo'": "'../src/index.js'", "'theazo/testing'": "'../src/testing/index.js'" }

test("the README's code runs as it stands", async () => {
  const fake = new FakeTheazo()
  const original = globalThis.fetch
  globalThis.fetch = async (url, options) => {
    const { method = 'GET', headers, body } = options ?? {}
    const { signal } = new AbortController()
    const request = { method, headers: { ...headers } as Record<string, string>, redirect: 'manual', signal } as const
    const {
      status,
      headers: got,
      text,
    } = await fake.fetch(String(url), body ? { ...request, body: String(body) } : request)
    return new Response((await text()) || null, { status, headers: got as Headers })
  }
  process.env['THEAZO_API_KEY'] = fake.apiKey
  process.env['THEAZO_BASE_URL'] = fake.baseUrl
  try {
    const blocks = [...readFileSync(README, 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)
    assert.equal(blocks.length, 2)
    for (const [at, block] of blocks.entries()) {
      // The blocks have no types in them, so they are JavaScript too.
      const code = Object.entries(MODULES).reduce((text, [name, file]) => text.replace(name, file), block)
      const file = new URL(`readme-${at}.mjs`, import.meta.url)
      writeFileSync(file, code)
      await import(file.href)
    }
  } finally {
    globalThis.fetch = original
    delete process.env['THEAZO_API_KEY']
    delete process.env['THEAZO_BASE_URL']
  }
  assert.equal(fake.requests.filter(({ path }) => path.endsWith('/agents')).length, 1)
})
