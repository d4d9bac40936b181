import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ref, watch } from 'vue'
import { api, UnreachableError } from '../api/client'
import { denial } from '../api/testing'
import type { LockStatus } from '../api/types'
import { granted, held } from '../state/testData'
import { useClock } from '../stores/clock'
import { useSignIn } from '../stores/signIn'
import { deferred, FakeStream, inScope, settle, stream } from './testing'
import { useLock } from './useLock'

vi.mock('../api/eventSocket', async () => ({ EventSocket: (await import('./testing')).FakeStream }))

const status = vi.spyOn(api, 'status')
let dispose: () => void

async function setup(first: LockStatus) {
  vi.spyOn(api, 'newestEvents').mockResolvedValue({ events: [], cursor: 'c0' })
  status.mockResolvedValueOnce(first)
  const scope = inScope(() => useLock(ref('a')))
  dispose = scope.dispose
  await settle()
  return scope.result
}

beforeEach(() => {
  vi.useFakeTimers()
  status.mockReset()
})
afterEach(() => {
  dispose()
  FakeStream.current = null
  vi.useRealTimers()
})

test('a lock that changes constantly is kept up to date even over a slow connection', async () => {
  const lock = await setup(held('a', 1))
  status.mockImplementation(async () => {
    const version = 1 + status.mock.calls.length
    await new Promise((resolve) => setTimeout(resolve, 400))
    return held('a', version)
  })
  for (let version = 2; version < 40; version += 1) {
    stream().emit(granted(version, version))
    await settle(50)
  }
  expect(lock.status.value?.version).toBeGreaterThan(3)
})

test('the events, the status and the timeline change one after another, and the less often the more that costs', async () => {
  const now = vi.spyOn(performance, 'now').mockImplementation(() => Date.now())
  const lock = await setup(held('a', 1))
  status.mockResolvedValue(held('a', 2))
  const shown = () => [
    lock.status.value?.version,
    lock.events.value.at(-1)?.version,
    lock.history.shown.value.events.at(-1)?.version,
  ]
  const draws: ReturnType<typeof shown>[] = []
  for (const drawn of [lock.events, lock.status, lock.history.shown]) {
    watch(drawn, () => {
      draws.push(shown())
      // To render it takes 20 ms.
      vi.setSystemTime(Date.now() + 20)
    })
  }
  stream().emit(granted(2, 2))
  await settle(200)
  const steps = [
    [1, 2, undefined],
    [2, 2, undefined],
    [2, 2, 2],
  ]
  expect(draws).toEqual(steps)
  status.mockResolvedValue(held('a', 9))
  for (let version = 3; version < 10; version += 1) {
    stream().emit(granted(version, version))
    await settle(50)
  }
  expect(draws).toEqual(steps)
  await settle(600)
  expect(draws.slice(steps.length)).toEqual([
    [2, 9, 2],
    [9, 9, 2],
    [9, 9, 9],
  ])
  now.mockRestore()
})

test('at most one request is in flight, and events during it trigger another', async () => {
  const lock = await setup(held('a', 1))
  const slow = deferred<LockStatus>()
  status.mockReturnValueOnce(slow.promise).mockResolvedValue(held('a', 3))
  stream().emit(granted(2, 2))
  await settle(200)
  stream().emit(granted(3, 3))
  await settle(500)
  expect(status).toHaveBeenCalledTimes(2)
  slow.resolve(held('a', 2))
  await settle(200)
  expect(status).toHaveBeenCalledTimes(3)
  expect(lock.status.value?.version).toBe(3)
})

test('an older response does not replace newer data', async () => {
  const lock = await setup(held('a', 1))
  const slow = deferred<LockStatus>()
  status.mockReturnValueOnce(slow.promise).mockResolvedValue(held('a', 5))
  stream().emit(granted(2, 2))
  await settle(200)
  stream().emitGap('cursor-lost')
  await settle()
  expect(lock.status.value?.version).toBe(5)
  slow.resolve(held('a', 2))
  await settle()
  expect(lock.status.value?.version).toBe(5)
})

test('a renewal is shown, also if the status that is drawn next is older', async () => {
  const lock = await setup(held('a', 1))
  const expiry = () => lock.status.value?.holders[0]?.expires_at
  const renew = (fencing_token: number, expires_at: string) =>
    stream().emit({ type: 'renewed', resource: 'a', fencing_token, expires_at })
  status.mockResolvedValue(held('a', 2))
  stream().emit(granted(2, 2))
  await settle(20)
  expect(status).toHaveBeenCalledTimes(2)
  renew(held('a', 2).holders[0]?.fencing_token ?? 0, '2099-01-01T01:00:00.000Z')
  await settle(500)
  expect([lock.status.value?.version, expiry()]).toEqual([2, '2099-01-01T01:00:00.000Z'])
})

test('a failed request is retried', async () => {
  const lock = await setup(held('a', 1))
  status.mockRejectedValueOnce(new UnreachableError()).mockResolvedValue(held('a', 2))
  stream().emit(granted(2, 2))
  await settle(3_000)
  expect(lock.status.value?.version).toBe(2)
})

test('an overdue lease is fetched, since it may have been renewed through another server', async () => {
  const lock = await setup(held('a', 1))
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

test('a lock that may no longer be seen is no longer shown, and is again once it may be', async () => {
  const lock = await setup(held('a', 1))
  status.mockRejectedValueOnce(denial('observe'))
  useSignIn().rules = []
  await settle()
  expect(lock.error.value?.missingRole).toBe('observe')
  expect([lock.status.value, lock.events.value]).toEqual([null, []])
  expect(FakeStream.current).toBeNull()
  status.mockResolvedValueOnce(held('a', 2))
  useSignIn().rules = [{ role: 'observe', prefix: 'a' }]
  await settle()
  expect([lock.error.value, lock.status.value?.version]).toEqual([null, 2])
  expect(stream().cursor).toBe('c0')
})
