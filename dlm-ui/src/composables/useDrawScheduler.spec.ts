import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { inScope, settle } from './testing'
import { useDrawScheduler } from './useDrawScheduler'

const draw = vi.fn()
const drawMore = vi.fn()
let scheduler: ReturnType<typeof useDrawScheduler>
let dispose: () => void

beforeEach(() => {
  vi.useFakeTimers()
  draw.mockReset()
  drawMore.mockReset()
  ;({ result: scheduler, dispose } = inScope(() => useDrawScheduler([draw, drawMore])))
})
afterEach(() => {
  dispose()
  vi.useRealTimers()
})

test('requests within one frame cause one draw', async () => {
  scheduler.schedule()
  scheduler.schedule()
  await settle(15)
  expect(draw).not.toHaveBeenCalled()
  await settle(100)
  expect(draw).toHaveBeenCalledTimes(1)
})

test('each step has a frame of its own', async () => {
  scheduler.schedule()
  await settle(16)
  expect([draw.mock.calls.length, drawMore.mock.calls.length]).toEqual([1, 0])
  await settle(50)
  expect([draw.mock.calls.length, drawMore.mock.calls.length]).toEqual([1, 1])
})

test('an expensive draw delays the next one by ten times its duration', async () => {
  draw.mockImplementationOnce(() => vi.setSystemTime(Date.now() + 30))
  drawMore.mockImplementationOnce(() => vi.setSystemTime(Date.now() + 20))
  const now = vi.spyOn(performance, 'now').mockImplementation(() => Date.now())
  scheduler.schedule()
  await settle(16)
  scheduler.schedule()
  await settle(499)
  expect(draw).toHaveBeenCalledTimes(1)
  // And the frames in which the first draw is painted.
  await settle(100)
  expect(draw).toHaveBeenCalledTimes(2)
  now.mockRestore()
})

test('a disposed scheduler does not draw', async () => {
  scheduler.schedule()
  await settle(16)
  scheduler.schedule()
  dispose()
  await settle(500)
  expect([draw.mock.calls.length, drawMore.mock.calls.length]).toEqual([1, 0])
})

test('a request while a draw is not on the screen yet is not lost', async () => {
  scheduler.schedule()
  await settle(16)
  scheduler.schedule()
  expect(draw).toHaveBeenCalledTimes(1)
  await settle(200)
  expect(draw).toHaveBeenCalledTimes(2)
})
