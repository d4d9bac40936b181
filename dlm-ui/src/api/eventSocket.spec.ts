import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EventSocket, type Gap, type StreamState, type Surroundings } from './eventSocket'
import type { StreamMessage } from './types'

/** What the browser's socket is to the one under test. */
class FakeSocket {
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  closed = false

  constructor(readonly url: URL) {}

  close(): void {
    this.closed = true
  }

  says(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) })
  }

  breaks(code = 1006): void {
    this.onclose?.({ code })
  }
}

let sockets: FakeSocket[]
let batches: StreamMessage[][]
let states: StreamState[]
let gaps: Gap[]
let frames: (() => void)[]
let hidden: boolean

const surroundings: Surroundings = {
  open: (url) => {
    const socket = new FakeSocket(new URL(url))
    sockets.push(socket)
    return socket as unknown as WebSocket
  },
  soon: (task) => {
    frames.push(task)
    return () => (frames = frames.filter((one) => one !== task))
  },
  hidden: () => hidden,
  now: () => 0,
  random: () => 1,
  base: () => 'ws://server',
}

function begin(cursor: string | null, filter = {}): EventSocket {
  const socket = new EventSocket(
    filter,
    {
      messages: (batch) => batches.push(batch),
      state: (state) => states.push(state),
      gap: (why) => gaps.push(why),
    },
    surroundings,
  )
  socket.start(cursor)
  return socket
}

function draw(): void {
  const now = frames
  frames = []
  now.forEach((task) => task())
}

function last(): FakeSocket {
  const socket = sockets.at(-1)
  if (!socket) throw new Error('no socket was opened')
  return socket
}

const event = (cursor: string) => ({ type: 'event', cursor, kind: 'granted', resource: 'a' })

beforeEach(() => {
  vi.useFakeTimers()
  sockets = []
  batches = []
  states = []
  gaps = []
  frames = []
  hidden = false
})
afterEach(() => vi.useRealTimers())

test('it asks for what comes after the cursor, with its filter', () => {
  begin('c 1', { prefix: 'orders/', renewals: true })
  const query = last().url.searchParams
  expect(Object.fromEntries(query)).toEqual({ prefix: 'orders/', renewals: 'true', after: 'c 1' })
})

test('what comes between two drawings is handed out together', () => {
  begin(null)
  last().says({ type: 'synced', cursor: 'c0' })
  last().says(event('c1'))
  expect(batches).toEqual([])
  draw()
  expect(batches.map((batch) => batch.length)).toEqual([2])
  expect(states).toEqual(['connecting', 'live'])
})

test('it is live once it is synced, and replays before', () => {
  begin('c0')
  last().says(event('c1'))
  draw()
  expect(states.at(-1)).toBe('replaying')
  last().says({ type: 'synced', cursor: 'c1' })
  draw()
  expect(states.at(-1)).toBe('live')
})

test('after a break it resumes behind what was handed out', () => {
  begin('c0')
  last().says(event('c1'))
  draw()
  // This one was not: it is asked for again.
  last().says(event('c2'))
  last().breaks()
  expect(states.at(-1)).toBe('away')
  vi.advanceTimersByTime(200)
  expect(sockets).toHaveLength(2)
  expect(last().url.searchParams.get('after')).toBe('c1')
  draw()
  expect(batches).toHaveLength(1)
})

test('pauses grow while the server is away, and shrink when it was back', () => {
  begin('c0')
  const pauses: number[] = []
  for (let round = 0; round < 7; round += 1) {
    const before = sockets.length
    last().breaks()
    let waited = 0
    while (sockets.length === before) {
      vi.advanceTimersByTime(50)
      waited += 50
    }
    pauses.push(waited)
  }
  expect(pauses).toEqual([200, 400, 800, 1600, 3200, 5000, 5000])
  last().says({ type: 'synced', cursor: 'c1' })
  draw()
  last().breaks()
  vi.advanceTimersByTime(200)
  expect(last().url.searchParams.get('after')).toBe('c1')
})

test('a server that says nothing for too long is left', () => {
  begin(null)
  last().says({ type: 'synced', cursor: 'c0' })
  draw()
  const silent = last()
  vi.advanceTimersByTime(14_000)
  silent.says({ type: 'bookmark', cursor: 'c1' })
  vi.advanceTimersByTime(14_999)
  expect(silent.closed).toBe(false)
  vi.advanceTimersByTime(1)
  expect(silent.closed).toBe(true)
  expect(states.at(-1)).toBe('away')
})

test('a connection that is never answered is tried again', () => {
  begin(null)
  vi.advanceTimersByTime(15_000)
  expect(last().closed).toBe(true)
  vi.advanceTimersByTime(200)
  expect(sockets).toHaveLength(2)
})

test.each([4400, 4410])('a cursor that is not taken (%i) is told, and not tried again', (code) => {
  begin('c0')
  last().breaks(code)
  vi.advanceTimersByTime(60_000)
  expect(gaps).toEqual(['cursor-lost'])
  expect(sockets).toHaveLength(1)
})

test('one that falls too far behind is told so', () => {
  begin('c0')
  for (let number = 0; number <= 20_000; number += 1) last().says(event(`c${number}`))
  expect(gaps).toEqual(['too-many'])
  expect(last().closed).toBe(true)
})

test('a hidden page is handed nothing, and everything once it is seen', () => {
  const stream = begin('c0')
  hidden = true
  last().says(event('c1'))
  draw()
  expect(batches).toEqual([])
  hidden = false
  stream.wake()
  draw()
  expect(batches).toHaveLength(1)
})

test('a page that is hidden for long lets go and resumes from its cursor', () => {
  const stream = begin('c0')
  last().says(event('c1'))
  draw()
  hidden = true
  for (let number = 2; number < 3_000; number += 1) last().says(event(`c${number}`))
  expect(last().closed).toBe(true)
  vi.advanceTimersByTime(60_000)
  expect(sockets).toHaveLength(1)
  hidden = false
  stream.wake()
  expect(last().url.searchParams.get('after')).toBe('c1')
  expect(gaps).toEqual([])
})

test('one that was stopped hears nothing more', () => {
  const stream = begin('c0')
  const socket = last()
  socket.says(event('c1'))
  stream.stop()
  draw()
  socket.says(event('c2'))
  vi.advanceTimersByTime(60_000)
  expect(batches).toEqual([])
  expect(sockets).toHaveLength(1)
  expect(states.at(-1)).toBe('stopped')
})
