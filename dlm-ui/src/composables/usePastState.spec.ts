import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defineComponent, ref } from 'vue'
import { api, ApiError, UnreachableError } from '../api/client'
import { problem } from '../api/testing'
import type { PastState, Problem } from '../api/types'
import { pastLock, pastState } from '../state/testData'
import { useConnection } from '../stores/connection'
import { mountView } from '../views/testing'
import { deferred } from './testing'
import { usePastState, type PastReading } from './usePastState'

const stateAt = vi.spyOn(api, 'stateAt')
const AT = pastState([]).at
let unmount = () => {}

async function setup(at: string) {
  const prefix = ref('')
  let past!: PastReading
  const view = defineComponent(() => {
    past = usePastState(() => ({ prefix: prefix.value, limit: 5 }))
    return () => null
  })
  const { wrapper, router } = await mountView(view, `/locks?at=${at}`)
  unmount = () => wrapper.unmount()
  return { past, prefix, router, wrapper }
}

beforeEach(() => {
  stateAt.mockReset()
})
afterEach(() => {
  unmount()
  vi.useRealTimers()
})

test('the state at the instant is read, and everything is as of that instant', async () => {
  stateAt.mockResolvedValue(pastState([pastLock('a', {})]))
  const { past, wrapper } = await setup(AT)
  expect(stateAt.mock.lastCall?.slice(0, 2)).toEqual([AT, { prefix: '', limit: 5 }])
  expect(past.state.value?.locks).toHaveLength(1)
  const connection = useConnection()
  expect(connection.asOf).toBe(Date.parse(AT))
  expect(connection.status).toBe('idle')
  wrapper.unmount()
  expect(connection.asOf).not.toBe(Date.parse(AT))
})

test('now becomes the instant of the answer, which is read once', async () => {
  const now = '2026-01-01T01:00:00.000Z'
  stateAt.mockResolvedValue(pastState([], { at: now }))
  const { router } = await setup('now')
  await flushPromises()
  expect(router.currentRoute.value.query).toEqual({ at: now })
  expect(stateAt).toHaveBeenCalledTimes(1)
  expect(stateAt.mock.lastCall?.[0]).toBe('')
})

test('another instant replaces what is shown when it has been loaded', async () => {
  stateAt.mockResolvedValueOnce(pastState([pastLock('a', {})]))
  const { past, router } = await setup(AT)
  const held = deferred<PastState>()
  stateAt.mockReturnValueOnce(held.promise)
  past.go(Date.parse(AT) - 60_000)
  await flushPromises()
  const earlier = '2026-01-01T00:29:00.000Z'
  expect(router.currentRoute.value.query).toEqual({ at: earlier })
  expect([past.state.value?.at, past.loading.value]).toEqual([AT, true])
  held.resolve(pastState([], { at: earlier }))
  await flushPromises()
  expect([past.state.value?.at, past.loading.value]).toEqual([earlier, false])
})

test('an instant beyond what the log covers becomes the nearest', async () => {
  stateAt.mockResolvedValue(pastState([]))
  const { past } = await setup(AT)
  past.go(0)
  expect(past.at.value).toBe('2026-01-01T00:00:00.000Z')
  past.go(Number.MAX_SAFE_INTEGER)
  // The time since the answer has passed as well.
  expect(Date.parse(past.at.value) - Date.parse('2026-01-01T01:00:00.000Z')).toBeLessThan(60_000)
})

test('what is refused is said, and the slider stays to come back with', async () => {
  stateAt.mockResolvedValueOnce(pastState([]))
  const { past } = await setup(AT)
  const [status, body] = problem(400, 'invalid-request')
  stateAt.mockRejectedValueOnce(new ApiError(status, body as Problem, '`at` is in the future'))
  past.at.value = '2999-01-01T00:00:00.000Z'
  await flushPromises()
  expect(past.state.value).toBeNull()
  expect(past.error.value?.message).toContain('future')
  expect(past.bounds.value).not.toBeNull()
  stateAt.mockResolvedValueOnce(pastState([]))
  past.at.value = AT
  await flushPromises()
  expect(past.error.value).toBeNull()
  expect(past.state.value?.at).toBe(AT)
})

test('without the server the page says so, and reads again', async () => {
  vi.useFakeTimers()
  stateAt.mockRejectedValueOnce(new UnreachableError()).mockResolvedValueOnce(pastState([]))
  const { past } = await setup(AT)
  expect(useConnection().status).toBe('disconnected')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(past.state.value?.at).toBe(AT)
  expect(useConnection().status).toBe('idle')
})

test('nothing is read once the present is asked for', async () => {
  stateAt.mockResolvedValue(pastState([]))
  const { past, router } = await setup(AT)
  past.leave()
  await flushPromises()
  expect(router.currentRoute.value.query).toEqual({})
  expect(stateAt).toHaveBeenCalledTimes(1)
})
