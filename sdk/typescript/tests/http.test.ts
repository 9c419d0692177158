// The global fetch and a server that listens: what a stand-in can't show.

import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { APIError, ConnectionFailed, RequestTimeout, Theazo } from '../src/index.js'
import { API_KEY, SESSION, thrown } from './support.js'

async function served(listener: RequestListener, use: (baseUrl: string) => Promise<void>): Promise<void> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

test('a request and its answer', async () => {
  const listener: RequestListener = (request, response) => {
    assert.equal(request.headers.authorization, `Bearer ${API_KEY}`)
    response.setHeader('content-type', 'application/json').end(JSON.stringify(SESSION))
  }
  await served(listener, async (baseUrl) => {
    assert.equal((await new Theazo({ apiKey: API_KEY, baseUrl }).sessions.forUser('user_123')).id, SESSION.id)
  })
})

test('the key follows no redirect', async () => {
  let requests = 0
  const listener: RequestListener = (_, response) => {
    requests += 1
    response.writeHead(307, { location: '/elsewhere' }).end()
  }
  await served(listener, async (baseUrl) => {
    const error = await thrown(APIError, () => new Theazo({ apiKey: API_KEY, baseUrl }).sessions.get('s-abc'))
    assert.equal(error.status, 307)
    assert.match(error.message, /redirects/)
    assert.ok(!error.message.includes('elsewhere'))
  })
  assert.equal(requests, 1)
})

test('an answer that stops half-way ends in time', async () => {
  const listener: RequestListener = (_, response) => {
    response.setHeader('content-type', 'application/json').write('{')
  }
  await served(listener, async (baseUrl) => {
    const theazo = new Theazo({ apiKey: API_KEY, baseUrl, timeoutMs: 100, maxRetries: 0 })
    await thrown(RequestTimeout, () => theazo.sessions.get('s-abc'))
  })
})

test('where nobody listens, the error says so', async () => {
  let closed = ''
  await served(
    () => {},
    async (baseUrl) => {
      closed = baseUrl
    },
  )
  const theazo = new Theazo({ apiKey: API_KEY, baseUrl: closed, maxRetries: 0 })
  const error = await thrown(ConnectionFailed, () => theazo.sessions.get('s-abc'))
  assert.match(error.message, /ECONNREFUSED/)
})
