import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ref } from 'vue'
import { api, AwayError } from '../api/client'
import type { LockStatus } from '../api/types'
import { granted } from '../state/samples'
import { useClock } from '../stores/clock'
import { FakeStream, held, inScope, later, settle, stream } from './testing'
import { useLock } from './useLock'

vi.mock('../api/eventSocket', async () => ({ EventSocket: (await import('./testing')).FakeStream }))

const status = vi.spyOn(api, 'status')
let end: () => void

async function begin(first: LockStatus) {
  vi.spyOn(api, 'newestEvents').mockResolvedValue({ events: [], cursor: 'c0' })
  status.mockResolvedValueOnce(first)
  const scope = inScope(() => useLock(ref('a')))
  end = scope.end
  await settle()
  return scope.made
}

beforeEach(() => {
  vi.useFakeTimers()
  status.mockReset()
})
afterEach(() => {
  end()
  FakeStream.newest = null
  vi.useRealTimers()
})

test('a lock to which something happens all the time is shown as it goes on, over a slow way too', async () => {
  const lock = await begin(held('a', 1))
  status.mockImplementation(async () => {
    const version = 1 + status.mock.calls.length
    await new Promise((resolve) => setTimeout(resolve, 400))
    return held('a', version)
  })
  for (let version = 2; version < 40; version += 1) {
    stream().says(granted(version, version))
    await settle(50)
  }
  expect(lock.status.value?.version).toBeGreaterThan(3)
})

test('one question is asked at a time, and asked again for what happened meanwhile', async () => {
  const lock = await begin(held('a', 1))
  const slow = later<LockStatus>()
  status.mockReturnValueOnce(slow.promise).mockResolvedValue(held('a', 3))
  stream().says(granted(2, 2))
  await settle(200)
  stream().says(granted(3, 3))
  await settle(500)
  expect(status).toHaveBeenCalledTimes(2)
  slow.answer(held('a', 2))
  await settle(200)
  expect(status).toHaveBeenCalledTimes(3)
  expect(lock.status.value?.version).toBe(3)
})

test('an older answer does not take the place of what was loaded since', async () => {
  const lock = await begin(held('a', 1))
  const slow = later<LockStatus>()
  status.mockReturnValueOnce(slow.promise).mockResolvedValue(held('a', 5))
  stream().says(granted(2, 2))
  await settle(200)
  stream().gives('cursor-lost')
  await settle()
  expect(lock.status.value?.version).toBe(5)
  slow.answer(held('a', 2))
  await settle()
  expect(lock.status.value?.version).toBe(5)
})

test('what could not be asked for is asked for again', async () => {
  const lock = await begin(held('a', 1))
  status.mockRejectedValueOnce(new AwayError()).mockResolvedValue(held('a', 2))
  stream().says(granted(2, 2))
  await settle(3_000)
  expect(lock.status.value?.version).toBe(2)
})

test('a lease whose time is up is asked for, since its renewals may go to another server', async () => {
  const lock = await begin(held('a', 1))
  const renewed = held('a', 1)
  renewed.holders = renewed.holders.map((holder) => ({ ...holder, expires_at: '2099-01-01T00:05:00.000Z' }))
  status.mockResolvedValue(renewed)
  useClock().now = Date.parse('2099-01-01T00:00:29.000Z')
  await settle(500)
  expect(status).toHaveBeenCalledTimes(1)
  useClock().now = Date.parse('2099-01-01T00:00:31.000Z')
  await settle(500)
  expect(lock.status.value?.holders[0]?.expires_at).toBe('2099-01-01T00:05:00.000Z')
  expect(status).toHaveBeenCalledTimes(2)
})
