import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { shallowRef } from 'vue'
import { api, UnreachableError } from '../api/client'
import type { Overview, WaitGraph } from '../api/types'
import { deferred, inScope, settle } from './testing'
import { useWaitGraph } from './useWaitGraph'

const request = vi.spyOn(api, 'waitGraph')
const graphOf = (complete: boolean): WaitGraph => ({ at: '', complete, locks: [], possible_deadlocks: [] })
let dispose: () => void

/** The graph beside an overview with so many waiters, which `update` changes. */
function setup(waiting: number) {
  const overviewOf = (waiters: number) => ({ waiting: waiters }) as Overview
  const overview = shallowRef<Overview | null>(overviewOf(waiting))
  const live = shallowRef<WaitGraph | null>(null)
  const scope = inScope(() => useWaitGraph(overview, live))
  dispose = scope.dispose
  const update = async (waiters: number | null) => {
    overview.value = waiters === null ? null : overviewOf(waiters)
    await settle()
  }
  return { graph: scope.result.graph, live, update }
}

beforeEach(() => {
  vi.useFakeTimers()
  request.mockReset()
  request.mockImplementation(() => Promise.resolve(graphOf(true)))
})
afterEach(() => {
  dispose()
  vi.useRealTimers()
})

test('nothing is read while nobody waits, and what was read is dropped then', async () => {
  const { graph, update } = setup(0)
  await settle(2_000)
  expect(request).not.toHaveBeenCalled()
  await update(1)
  expect(graph.value).not.toBeNull()
  await update(0)
  expect(graph.value).toBeNull()
})

test('it is read once a second at most, one request at a time', async () => {
  const { update } = setup(1)
  for (let round = 0; round < 20; round += 1) {
    await settle(150)
    await update(1)
  }
  expect(request.mock.calls.length).toBeGreaterThanOrEqual(2)
  expect(request.mock.calls.length).toBeLessThanOrEqual(4)
  request.mockClear()
  const slow = deferred<WaitGraph>()
  request.mockReturnValueOnce(slow.promise)
  await settle(1_000)
  for (let round = 0; round < 5; round += 1) {
    await update(1)
    await settle(1_000)
  }
  expect(request).toHaveBeenCalledTimes(1)
})

test('an answer that comes when nobody waits any more, or nobody looks, is not shown', async () => {
  const slow = deferred<WaitGraph>()
  request.mockReturnValueOnce(slow.promise)
  const { graph, update } = setup(1)
  await update(null)
  slow.resolve(graphOf(true))
  await settle()
  expect(graph.value).toBeNull()
})

test('what was read stays while the server is away', async () => {
  const { graph, update } = setup(1)
  await settle(1_000)
  request.mockImplementation(() => Promise.reject(new UnreachableError()))
  await update(2)
  expect(graph.value).not.toBeNull()
})

test('while the stream brings it, nothing is read, and an answer from before is not shown', async () => {
  const slow = deferred<WaitGraph>()
  request.mockReturnValueOnce(slow.promise)
  const { graph, live, update } = setup(1)
  const brought = graphOf(true)
  live.value = brought
  slow.resolve(graphOf(false))
  await settle(2_000)
  await update(2)
  expect(graph.value).toBe(brought)
  expect(request).toHaveBeenCalledTimes(1)
  live.value = null
  await update(2)
  expect(request).toHaveBeenCalledTimes(2)
  expect(graph.value).not.toBe(brought)
})
