import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api, UnreachableError } from '../api/client'
import { denial } from '../api/testing'
import type { Overview } from '../api/types'
import { useClock } from '../stores/clock'
import { useConnection } from '../stores/connection'
import { useSignIn } from '../stores/signIn'
import { deferred, inScope, settle } from './testing'
import { useOverview } from './useOverview'

const request = vi.spyOn(api, 'overview')
let dispose: () => void

function overview(held: number): Overview {
  return {
    at: new Date().toISOString(),
    held,
    leases: held,
    waiting: 0,
    oldest_wait: null,
    long_wait_count: 0,
    long_waits: [],
    wait_p50_ms: null,
    wait_p95_ms: null,
    expired: [],
    contended: [],
    seconds: [],
  }
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
  expect(request.mock.calls.length).toBeLessThanOrEqual(10)
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
