import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  EventSocket,
  type Authenticate,
  type BrowserEnvironment,
  type Gap,
  type StreamState,
} from './eventSocket'
import { granted } from '../state/testData'
import type { StreamMessage } from './types'

/** Stands in for the browser's WebSocket. */
class FakeSocket {
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  closed = false

  constructor(
    readonly url: URL,
    readonly protocols: string[],
  ) {}

  close(): void {
    this.closed = true
  }

  emit(...messages: object[]): void {
    this.onmessage?.({ data: messages.map((message) => JSON.stringify(message)).join('\n') })
  }

  disconnect(code = 1006): void {
    this.onclose?.({ code })
  }
}

let sockets: FakeSocket[]
let batches: StreamMessage[][]
let states: StreamState[]
let gaps: Gap[]
let deferred: (() => void)[]
let hidden: boolean
/** Added to the time with each look at the clock. */
let slowness: number
let lost: number
const authenticate = vi.fn<Authenticate>()

const environment: BrowserEnvironment = {
  openSocket: (url, protocols) => {
    const socket = new FakeSocket(new URL(url), protocols)
    sockets.push(socket)
    return socket as unknown as WebSocket
  },
  defer: (task) => {
    deferred.push(task)
    return () => (deferred = deferred.filter((other) => other !== task))
  },
  isHidden: () => hidden,
  now: () => performance.now() + (lost += slowness),
  random: () => 1,
  baseUrl: () => 'ws://server',
}

/** Starts a stream and waits until it opens its socket. */
async function connect(cursor: string | null, filter = {}): Promise<EventSocket> {
  const stream = start(cursor, filter)
  await vi.advanceTimersByTimeAsync(0)
  return stream
}

function start(cursor: string | null, filter = {}): EventSocket {
  const socket = new EventSocket(
    filter,
    {
      messages: (batch) => batches.push(batch),
      state: (state) => states.push(state),
      gap: (gap) => gaps.push(gap),
    },
    authenticate,
    environment,
  )
  socket.start(cursor)
  return socket
}

function runDeferred(): void {
  const due = deferred
  deferred = []
  due.forEach((task) => task())
}

function newestSocket(): FakeSocket {
  const socket = sockets.at(-1)
  if (!socket) throw new Error('no socket was opened')
  return socket
}

const event = (cursor: string) => granted(1, 1, { cursor })

beforeEach(() => {
  vi.useFakeTimers()
  authenticate.mockReset()
  authenticate.mockResolvedValue(null)
  sockets = []
  batches = []
  states = []
  gaps = []
  deferred = []
  hidden = false
  slowness = 0
  lost = 0
})
afterEach(() => vi.useRealTimers())

test('the URL carries the cursor and the filter', async () => {
  await connect('c 1', { prefix: 'orders/', renewals: true, waitGraph: true })
  const query = newestSocket().url.searchParams
  expect(Object.fromEntries(query)).toEqual({
    batch_ms: '100',
    prefix: 'orders/',
    renewals: 'true',
    wait_graph: 'true',
    after: 'c 1',
  })
})

test('a message of the server may have several events, a line for each', async () => {
  await connect(null)
  newestSocket().emit({ type: 'synced', cursor: 'c0' }, event('c1'))
  runDeferred()
  expect(batches.map((batch) => batch.map(({ type }) => type))).toEqual([['synced', 'event']])
})

test('messages that arrive meanwhile are delivered as one batch', async () => {
  await connect(null)
  newestSocket().emit({ type: 'synced', cursor: 'c0' })
  newestSocket().emit(event('c1'))
  expect(batches).toEqual([])
  runDeferred()
  expect(batches.map((batch) => batch.length)).toEqual([2])
  expect(states).toEqual(['connecting', 'live'])
})

test('the first message is delivered at once, and those of a steady stream ten times a second', async () => {
  await connect(null)
  newestSocket().emit(event('c1'))
  runDeferred()
  expect(batches).toHaveLength(1)
  newestSocket().emit(event('c2'))
  await vi.advanceTimersByTimeAsync(99)
  newestSocket().emit(event('c3'))
  runDeferred()
  expect(batches).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1)
  runDeferred()
  expect(batches.map((batch) => batch.length)).toEqual([1, 2])
})

test('what takes longer to read than a task may last is delivered in the tasks that follow', async () => {
  await connect(null)
  for (let number = 1; number <= 130; number += 1) newestSocket().emit(event(`c${number}`))
  slowness = 10
  runDeferred()
  runDeferred()
  runDeferred()
  expect(batches.map((batch) => batch.length)).toEqual([64, 64, 2])
})

test('a stream that was stopped during a pause delivers nothing', async () => {
  const stream = await connect(null)
  newestSocket().emit(event('c1'))
  runDeferred()
  newestSocket().emit(event('c2'))
  stream.stop()
  await vi.advanceTimersByTimeAsync(200)
  expect(deferred).toEqual([])
})

test('the state is replaying until the synced message, then live', async () => {
  await connect('c0')
  newestSocket().emit(event('c1'))
  runDeferred()
  expect(states.at(-1)).toBe('replaying')
  await vi.advanceTimersByTimeAsync(100)
  newestSocket().emit({ type: 'synced', cursor: 'c1' })
  runDeferred()
  expect(states.at(-1)).toBe('live')
})

test('reconnecting resumes after the last delivered message', async () => {
  await connect('c0')
  newestSocket().emit(event('c1'))
  runDeferred()
  // Received but not delivered, so it must be replayed.
  newestSocket().emit(event('c2'))
  newestSocket().disconnect()
  expect(states.at(-1)).toBe('reconnecting')
  await vi.advanceTimersByTimeAsync(200)
  expect(sockets).toHaveLength(2)
  expect(newestSocket().url.searchParams.get('after')).toBe('c1')
  runDeferred()
  expect(batches).toHaveLength(1)
})

test('backoff grows while the server is unreachable and resets after a delivery', async () => {
  await connect('c0')
  const delays: number[] = []
  for (let round = 0; round < 7; round += 1) {
    const before = sockets.length
    newestSocket().disconnect()
    let waited = 0
    while (sockets.length === before) {
      await vi.advanceTimersByTimeAsync(50)
      waited += 50
    }
    delays.push(waited)
  }
  expect(delays).toEqual([200, 400, 800, 1600, 3200, 5000, 5000])
  newestSocket().emit({ type: 'synced', cursor: 'c1' })
  runDeferred()
  newestSocket().disconnect()
  await vi.advanceTimersByTimeAsync(200)
  expect(newestSocket().url.searchParams.get('after')).toBe('c1')
})

test('a silent connection is closed after the silence timeout', async () => {
  await connect(null)
  newestSocket().emit({ type: 'synced', cursor: 'c0' })
  runDeferred()
  const silent = newestSocket()
  await vi.advanceTimersByTimeAsync(14_000)
  silent.emit({ type: 'bookmark', cursor: 'c1' })
  await vi.advanceTimersByTimeAsync(14_999)
  expect(silent.closed).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(silent.closed).toBe(true)
  expect(states.at(-1)).toBe('reconnecting')
})

test('a connection attempt that never opens times out and is retried', async () => {
  await connect(null)
  await vi.advanceTimersByTimeAsync(15_000)
  expect(newestSocket().closed).toBe(true)
  await vi.advanceTimersByTimeAsync(200)
  expect(sockets).toHaveLength(2)
})

test.each([4400, 4410])('a rejected cursor (close code %i) is reported and not retried', async (code) => {
  await connect('c0')
  newestSocket().disconnect(code)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(gaps).toEqual(['cursor-lost'])
  expect(sockets).toHaveLength(1)
})

test('too many pending messages are reported as an overflow', async () => {
  await connect('c0')
  for (let number = 0; number <= 20_000; number += 1) newestSocket().emit(event(`c${number}`))
  expect(gaps).toEqual(['overflow'])
  expect(newestSocket().closed).toBe(true)
})

test('nothing is delivered while the page is hidden, and everything once it is visible', async () => {
  const stream = await connect('c0')
  hidden = true
  newestSocket().emit(event('c1'))
  runDeferred()
  expect(batches).toEqual([])
  hidden = false
  stream.wake()
  runDeferred()
  expect(batches).toHaveLength(1)
})

test('a hidden page with too many pending messages disconnects and resumes from its cursor', async () => {
  const stream = await connect('c0')
  newestSocket().emit(event('c1'))
  runDeferred()
  hidden = true
  for (let number = 2; number < 3_000; number += 1) newestSocket().emit(event(`c${number}`))
  expect(newestSocket().closed).toBe(true)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sockets).toHaveLength(1)
  hidden = false
  stream.wake()
  await vi.advanceTimersByTimeAsync(0)
  expect(newestSocket().url.searchParams.get('after')).toBe('c1')
  expect(gaps).toEqual([])
})

test('a stopped stream delivers nothing', async () => {
  const stream = await connect('c0')
  const socket = newestSocket()
  socket.emit(event('c1'))
  stream.stop()
  runDeferred()
  socket.emit(event('c2'))
  await vi.advanceTimersByTimeAsync(60_000)
  expect(batches).toEqual([])
  expect(sockets).toHaveLength(1)
  expect(states.at(-1)).toBe('stopped')
})

test('a ticket is offered as a subprotocol, a new one for each connection, and never in the URL', async () => {
  authenticate.mockResolvedValueOnce('first').mockResolvedValueOnce('second')
  await connect('c0')
  expect(newestSocket().protocols).toEqual(['dlm.events.v1', 'dlm.ticket.first'])
  newestSocket().disconnect()
  await vi.advanceTimersByTimeAsync(200)
  expect(newestSocket().protocols).toEqual(['dlm.events.v1', 'dlm.ticket.second'])
  expect(sockets.map(({ url }) => url.href).join()).not.toMatch(/ticket|first|second/)
  expect(authenticate.mock.calls.map(([reconnecting]) => reconnecting)).toEqual([false, true])
})

test('without a ticket only the protocol of the stream is offered', async () => {
  await connect('c0')
  expect(newestSocket().protocols).toEqual(['dlm.events.v1'])
})

test.each([4401, 4403])(
  'after close code %i the stream authenticates and resumes from its cursor',
  async (code) => {
    await connect('c0')
    newestSocket().emit(event('c1'))
    runDeferred()
    newestSocket().disconnect(code)
    await vi.advanceTimersByTimeAsync(200)
    expect(authenticate).toHaveBeenLastCalledWith(true, expect.any(AbortSignal))
    expect(newestSocket().url.searchParams.get('after')).toBe('c1')
    expect(gaps).toEqual([])
  },
)

test('a stream that waits for a sign-in opens no socket, also when the page becomes visible', async () => {
  let signIn: (ticket: string) => void = () => undefined
  authenticate.mockReturnValueOnce(new Promise((resolve) => (signIn = resolve)))
  const stream = await connect('c0')
  stream.wake()
  await vi.advanceTimersByTimeAsync(60_000)
  expect([sockets.length, authenticate.mock.calls.length]).toEqual([0, 1])
  signIn('late')
  await vi.advanceTimersByTimeAsync(0)
  expect(newestSocket().protocols).toContain('dlm.ticket.late')
})

test('a stream that is stopped while it waits for a ticket opens no socket', async () => {
  let deliver: (ticket: string) => void = () => undefined
  authenticate.mockReturnValueOnce(new Promise((resolve) => (deliver = resolve)))
  const stream = await connect('c0')
  stream.stop()
  expect(authenticate.mock.calls[0]?.[1].aborted).toBe(true)
  deliver('late')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sockets).toEqual([])
  expect(states.at(-1)).toBe('stopped')
})

test('a ticket that can not be had is asked for again', async () => {
  authenticate.mockRejectedValueOnce(new Error('unreachable')).mockResolvedValue('ticket')
  await connect('c0')
  expect(states.at(-1)).toBe('reconnecting')
  await vi.advanceTimersByTimeAsync(200)
  expect(newestSocket().protocols).toContain('dlm.ticket.ticket')
})

test.each([{ type: 'event', cursor: 'c2', kind: 'granted' }, { type: 'synced' }, 'text'])(
  'a message that can not be read ends the stream: %j',
  async (message) => {
    await connect('c0')
    newestSocket().emit({ ...event('c1') })
    newestSocket().emit(message as object)
    runDeferred()
    expect(gaps).toEqual(['unreadable'])
    expect(newestSocket().closed).toBe(true)
  },
)

test('messages of types that only a newer page knows are skipped', async () => {
  await connect('c0')
  newestSocket().emit({ type: 'news', text: 'hello' })
  newestSocket().emit(event('c1'))
  runDeferred()
  expect(batches).toEqual([[event('c1')]])
  expect(gaps).toEqual([])
})
