import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api, UnreachableError } from '../api/client'
import { denial } from '../api/testing'
import type { Overview } from '../api/types'
import { useClock } from '../stores/clock'
import { useConnection } from '../stores/connection'
import { useSignIn } from '../stores/signIn'
import { event, granted, overviewAt } from '../state/testData'
import { deferred, FakeStream, inScope, settle, stream } from './testing'
import { useOverview } from './useOverview'

vi.mock('../api/eventSocket', async () => ({ EventSocket: (await import('./testing')).FakeStream }))

const request = vi.spyOn(api, 'overview')
let dispose: () => void

function overview(held: number): Overview {
  return overviewAt(new Date().toISOString(), { held, leases: held })
}

function setup() {
  const scope = inScope(useOverview)
  dispose = scope.dispose
  return scope.result
}

beforeEach(() => {
  vi.useFakeTimers()
  request.mockReset()
})
afterEach(() => {
  dispose()
  FakeStream.current = null
  vi.useRealTimers()
})

test('visibility changes during a request do not start parallel polling', async () => {
  const slow = deferred<Overview>()
  request.mockReturnValueOnce(slow.promise).mockImplementation(() => Promise.resolve(overview(2)))
  setup()
  for (let round = 0; round < 3; round += 1) {
    document.dispatchEvent(new Event('visibilitychange'))
    await settle(20)
  }
  expect(request).toHaveBeenCalledTimes(1)
  slow.resolve(overview(1))
  await settle()
  request.mockClear()
  await settle(1_500)
  expect(request.mock.calls.length).toBeLessThanOrEqual(2)
})

test('the overview is fetched once a second, however many events there are', async () => {
  request.mockImplementation(() => Promise.resolve(overview(2)))
  setup()
  await settle()
  for (let version = 1; version <= 50; version += 1) {
    stream().emit(granted(version, version))
    await settle(100)
  }
  expect(request.mock.calls.length).toBeLessThanOrEqual(6)
  expect(request.mock.calls.length).toBeGreaterThanOrEqual(5)
})

test('an event shows before the overview is fetched again, and once only', async () => {
  request.mockImplementationOnce(() => Promise.resolve(overview(2)))
  const { overview: shown } = setup()
  await settle()
  const at = new Date(Date.now() + 5).toISOString()
  stream().emit(granted(1, 1, { at }), event('queued', 2, { at, queue_len: 1 }))
  await settle(50)
  expect([shown.value?.held, shown.value?.waiting]).toEqual([3, 1])
  // The next overview was computed after the events.
  request.mockImplementationOnce(() => Promise.resolve({ ...overview(3), waiting: 1 }))
  await settle(1_000)
  expect([shown.value?.held, shown.value?.waiting]).toEqual([3, 1])
  // This one was computed before an event that has been received meanwhile.
  const slow = deferred<Overview>()
  request.mockReturnValueOnce(slow.promise)
  const before = { ...overview(3), waiting: 1 }
  await settle(1_000)
  stream().emit(event('cancelled', 3, { at: new Date(Date.now() + 5).toISOString() }))
  slow.resolve(before)
  await settle(50)
  expect(shown.value?.waiting).toBe(0)
})

test('events that arrive too fast pause the stream, while the overview is still fetched', async () => {
  request.mockImplementation(() => Promise.resolve(overview(2)))
  setup()
  await settle()
  stream().emitGap('overflow')
  request.mockClear()
  await settle(5_500)
  expect(FakeStream.current).toBeNull()
  expect(request.mock.calls.length).toBeGreaterThanOrEqual(5)
  await settle(5_000)
  expect(FakeStream.current).not.toBeNull()
})

test('the wait-for graph that the stream brings is forgotten when the stream ends', async () => {
  request.mockImplementation(() => Promise.resolve(overview(2)))
  const { liveGraph } = setup()
  await settle()
  expect(stream().filter).toEqual({ waitGraph: true })
  const graph = (at: string) => ({ at, complete: true, locks: [], possible_deadlocks: [] })
  stream().emit(
    { type: 'wait_graph', wait_graph: graph('first') },
    { type: 'wait_graph', wait_graph: graph('second') },
  )
  expect(liveGraph.value?.at).toBe('second')
  stream().emitGap('overflow')
  expect(liveGraph.value).toBeNull()
})

test('data is stale since the last response, not since the failure', async () => {
  request.mockResolvedValueOnce(overview(1))
  const { overview: shown } = setup()
  await settle()
  expect(shown.value?.held).toBe(1)
  const respondedAt = performance.now()
  const hanging = deferred<Overview>()
  request.mockReturnValueOnce(hanging.promise).mockRejectedValue(new UnreachableError())
  await settle(10_000)
  hanging.reject(new UnreachableError())
  await settle()
  const connection = useConnection()
  const clock = useClock()
  clock.now = performance.now() + clock.offset
  expect(connection.status).toBe('disconnected')
  expect(connection.staleSince).toBe(respondedAt + clock.offset)
})

test('an overview that may not be seen is not asked for again until the rights change', async () => {
  request.mockRejectedValue(denial('observe'))
  const { overview: shown, error } = setup()
  await settle(60_000)
  expect(request).toHaveBeenCalledTimes(1)
  expect(error.value?.missingRole).toBe('observe')
  expect(useConnection().status).toBe('idle')
  request.mockResolvedValue(overview(3))
  useSignIn().rules = [{ role: 'observe', prefix: 'a' }]
  await settle()
  expect([shown.value?.held, error.value]).toEqual([3, null])
})
