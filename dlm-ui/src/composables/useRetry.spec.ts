import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ApiError, UnreachableError } from '../api/client'
import { useConnection } from '../stores/connection'
import { deferred, inScope, settle } from './testing'
import { useRetry } from './useRetry'

const onError = vi.fn<(error: ApiError) => void>()
let retry: ReturnType<typeof useRetry>
let dispose: () => void

beforeEach(() => {
  vi.useFakeTimers()
  onError.mockReset()
  ;({ result: retry, dispose } = inScope(() => useRetry(onError)))
})
afterEach(() => {
  dispose()
  vi.useRealTimers()
})

test('a load is repeated until it succeeds, with growing pauses up to five seconds', async () => {
  const starts: number[] = []
  void retry.load(async () => {
    starts.push(performance.now())
    if (starts.length < 9) throw new UnreachableError()
  })
  await settle(60_000)
  expect(starts).toHaveLength(9)
  const pauses = starts.slice(1).map((at, index) => at - (starts[index] ?? 0))
  expect(pauses[0]).toBeLessThanOrEqual(250)
  expect(pauses[6]).toBeGreaterThan(2_400)
  expect(Math.max(...pauses)).toBeLessThanOrEqual(5_000)
  expect(onError).not.toHaveBeenCalled()
})

test('the connection counts as lost while a load is repeated', async () => {
  void retry.load(async () => Promise.reject(new ApiError(503, null, 'overloaded')))
  await settle(100)
  expect(useConnection().status).toBe('disconnected')
})

test('what a repeat can not mend is reported, and not repeated', async () => {
  const task = vi.fn(async () => Promise.reject(new ApiError(400, null, 'invalid')))
  void retry.load(task)
  await settle(60_000)
  expect(task).toHaveBeenCalledTimes(1)
  expect(onError).toHaveBeenCalledTimes(1)
  expect(useConnection().status).toBe('idle')
})

test('an error of the page itself is not taken for one of the server', async () => {
  await expect(retry.load(async () => Promise.reject(new TypeError('a fault')))).rejects.toThrow('a fault')
  expect(onError).not.toHaveBeenCalled()
})

test('a newer load replaces the one before, which is neither repeated nor reported', async () => {
  const first = deferred<undefined>()
  const signals: AbortSignal[] = []
  const task = vi.fn(async (signal: AbortSignal) => {
    signals.push(signal)
    await first.promise
  })
  void retry.load(task)
  const second = vi.fn(async () => undefined)
  void retry.load(second)
  expect(signals[0]?.aborted).toBe(true)
  first.reject(new ApiError(400, null, 'invalid'))
  await settle(10_000)
  expect([task.mock.calls.length, second.mock.calls.length, onError.mock.calls.length]).toEqual([1, 1, 0])
})

test('a load ends with its view', async () => {
  const task = vi.fn(async () => Promise.reject(new UnreachableError()))
  void retry.load(task)
  await settle(10)
  dispose()
  await settle(60_000)
  expect(task).toHaveBeenCalledTimes(1)
})
