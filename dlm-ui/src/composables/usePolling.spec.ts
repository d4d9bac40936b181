import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ref } from 'vue'
import { UnreachableError } from '../api/client'
import { denial } from '../api/testing'
import { useConnection } from '../stores/connection'
import { deferred, inScope, settle } from './testing'
import { usePolling } from './usePolling'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('reads again after each interval until the scope ends', async () => {
  const read = vi.fn(async () => read.mock.calls.length)
  const { result, dispose } = inScope(() => usePolling({ read, intervalMs: 1_000 }))
  await settle()
  expect(result.data.value).toBe(1)
  await settle(1_000)
  expect(result.data.value).toBe(2)
  dispose()
  await settle(5_000)
  expect(read).toHaveBeenCalledTimes(2)
})

test('an answer about something else is dropped', async () => {
  const key = ref('a')
  const answers = { a: deferred<string>(), b: deferred<string>() }
  const read = () => answers[key.value as 'a' | 'b'].promise
  const { result, dispose } = inScope(() => usePolling({ read, intervalMs: 1_000, key: () => key.value }))
  key.value = 'b'
  await settle()
  answers.b.resolve('of b')
  await settle()
  answers.a.resolve('of a')
  await settle()
  expect(result.data.value).toBe('of b')
  dispose()
})

test('an unreachable server is asked again, and the page says so meanwhile', async () => {
  const read = vi.fn(async () => 'answer').mockRejectedValueOnce(new UnreachableError())
  const { result, dispose } = inScope(() => ({
    polling: usePolling({ read, intervalMs: 1_000, primary: true }),
    connection: useConnection(),
  }))
  await settle()
  expect(result.connection.status).toBe('disconnected')
  await settle(1_000)
  expect(result.connection.status).toBe('live')
  expect(result.polling.data.value).toBe('answer')
  dispose()
})

test('a denial ends the reads and drops what was read', async () => {
  const read = vi.fn(async () => 'answer')
  const { result, dispose } = inScope(() => usePolling({ read, intervalMs: 1_000 }))
  await settle()
  read.mockRejectedValue(denial('observe'))
  await settle(1_000)
  expect(result.data.value).toBeNull()
  expect(result.error.value?.missingRole).toBe('observe')
  await settle(10_000)
  expect(read).toHaveBeenCalledTimes(2)
  dispose()
})

test('nothing is read while it is not needed', async () => {
  const needed = ref(false)
  const read = vi.fn(async () => 'answer')
  const { result, dispose } = inScope(() =>
    usePolling({ read, intervalMs: 1_000, needed: () => needed.value }),
  )
  await settle(5_000)
  expect(read).not.toHaveBeenCalled()
  needed.value = true
  await settle()
  expect(result.data.value).toBe('answer')
  needed.value = false
  await settle()
  expect(result.data.value).toBeNull()
  dispose()
})
