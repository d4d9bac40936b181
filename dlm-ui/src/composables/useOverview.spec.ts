import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api, AwayError } from '../api/client'
import type { Overview } from '../api/types'
import { useClock } from '../stores/clock'
import { useConnection } from '../stores/connection'
import { inScope, later, settle } from './testing'
import { useOverview } from './useOverview'

const asked = vi.spyOn(api, 'overview')
let end: () => void

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

function begin() {
  const scope = inScope(useOverview)
  end = scope.end
  return scope.made
}

beforeEach(() => {
  vi.useFakeTimers()
  asked.mockReset()
})
afterEach(() => {
  end()
  vi.useRealTimers()
})

test('a page that is hidden and seen again while it asks goes on asking once at a time', async () => {
  const slow = later<Overview>()
  asked.mockReturnValueOnce(slow.promise).mockImplementation(() => Promise.resolve(overview(2)))
  begin()
  for (let time = 0; time < 3; time += 1) {
    document.dispatchEvent(new Event('visibilitychange'))
    await settle(20)
  }
  expect(asked).toHaveBeenCalledTimes(1)
  slow.answer(overview(1))
  await settle()
  asked.mockClear()
  await settle(1_500)
  expect(asked.mock.calls.length).toBeLessThanOrEqual(10)
})

test('what is shown is stale since the last answer, not since the failure', async () => {
  asked.mockResolvedValueOnce(overview(1))
  const { overview: shown } = begin()
  await settle()
  expect(shown.value?.held).toBe(1)
  const answeredAt = performance.now()
  const silent = later<Overview>()
  asked.mockReturnValueOnce(silent.promise).mockRejectedValue(new AwayError())
  await settle(10_000)
  silent.fail(new AwayError())
  await settle()
  const connection = useConnection()
  const clock = useClock()
  clock.now = performance.now() + clock.offset
  expect(connection.link).toBe('away')
  expect(connection.staleSince).toBe(answeredAt + clock.offset)
})
