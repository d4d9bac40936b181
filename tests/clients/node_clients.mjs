// Node's fetch, and ws, against one URL.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

const { WebSocket } = createRequire(`${process.env.NODE_MODULES}/`)('ws')
const url = process.argv[2]
const idleMs = Number(process.env.IDLE_SECONDS) * 1000

const path = (name, operation = '') => `${url}/v1/locks/${encodeURIComponent(name)}${operation}`

async function call(target, body, signal) {
  const options = body && {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }
  const response = await fetch(target, { ...options, signal })
  return [response.status, await response.json()]
}

async function succeeds(...request) {
  const [status, reply] = await call(...request)
  assert.equal(status, 200, JSON.stringify(reply))
  return reply
}

async function eventually(what, condition) {
  const until = Date.now() + 20_000
  while (!(await condition())) {
    assert(Date.now() < until, `timed out waiting for: ${what}`)
    await sleep(10)
  }
}

async function checkFetch() {
  const name = `fetch/🔒 ${url}`
  const waiters = async () => (await succeeds(path(name))).waiters.filter(({ away }) => !away).length
  const lease = await succeeds(path(name, '/acquire'), { owner: name })
  assert.equal(lease.resource, name)
  const [status, problem] = await call(path(name, '/acquire'), {})
  assert.deepEqual([status, problem.code], [423, 'lock-held'])
  await sleep(idleMs)
  await succeeds(path(name, '/renew'), { lease_id: lease.lease_id })
  const abort = new AbortController()
  const leaving = call(path(name, '/acquire'), { wait_ms: 60_000 }, abort.signal)
  await eventually('the acquire is queued', async () => (await waiters()) === 1)
  abort.abort()
  await assert.rejects(leaving)
  await eventually('the waiter has left', async () => (await waiters()) === 0)
  const waiting = succeeds(path(name, '/acquire'), { wait_ms: 60_000 })
  await eventually('the acquire is queued', async () => (await waiters()) === 1)
  await succeeds(path(name, '/release'), { lease_id: lease.lease_id })
  await succeeds(path(name, '/release'), { lease_id: (await waiting).lease_id })
}

/** A socket whose messages are read one by one. */
async function connect(target, protocol) {
  const socket = new WebSocket(url.replace('http:', 'ws:') + target, [protocol])
  const messages = []
  socket.on('message', (data) => messages.push(JSON.parse(data)))
  const closed = new Promise((resolve) => socket.on('close', resolve))
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
  socket.on('error', () => {})
  assert.equal(socket.protocol, protocol)
  const next = async () => {
    await eventually('a message', () => messages.length > 0)
    return messages.shift()
  }
  return { socket, next, closed }
}

async function checkSockets() {
  const name = `ws/🔒 ${url}`
  const events = await connect(`/v1/events?resource=${encodeURIComponent(name)}`, 'dlm.events.v1')
  const nextEvent = async () => {
    for (;;) {
      const event = await events.next()
      if (event.type !== 'bookmark') return event.kind ?? event.type
    }
  }
  assert.equal(await nextEvent(), 'synced')
  const session = await connect('/v1/session', 'dlm.session.v1')
  const send = (to, frame) => to.socket.send(JSON.stringify({ resource: name, ...frame }))
  send(session, { id: 1, op: 'acquire' })
  const { lease } = await session.next()
  assert.equal(await nextEvent(), 'granted')
  await sleep(idleMs)
  const leaving = await connect('/v1/session', 'dlm.session.v1')
  send(leaving, { id: 1, op: 'acquire', wait_ms: 60_000 })
  assert.equal(await nextEvent(), 'queued')
  leaving.socket.terminate()
  assert.equal(await nextEvent(), 'cancelled')
  send(session, { id: 2, op: 'release', lease_id: lease.lease_id })
  assert.equal((await session.next()).released.released, true)
  assert.equal(await nextEvent(), 'released')
  for (const { socket, closed } of [session, events]) {
    socket.close(1000)
    assert.equal(await closed, 1000)
  }
}

await Promise.all([checkFetch(), checkSockets()])
