import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ref } from 'vue'
import { MAX_HOLD_STATISTICS } from '../api/limits'
import { problem, serve } from '../api/testing'
import { inScope, settle } from './testing'
import { useHoldStatistics } from './useHoldStatistics'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const namesOf = (path: string) => new URL(path, 'http://a').searchParams.getAll('resource')

function answering() {
  return serve(({ path }) => [
    200,
    { at: '', locks: namesOf(path).map((resource) => ({ resource, hold: null })) },
  ])
}

test('what is on screen is read once, and what comes on screen later', async () => {
  const sent = answering()
  const names = ref(['a', 'b'])
  const { result, dispose } = inScope(() => useHoldStatistics(() => names.value))
  await settle(2_000)
  names.value = ['b', 'c']
  await settle(2_000)
  expect(sent.map(({ path }) => namesOf(path))).toEqual([['a', 'b'], ['c']])
  expect([...result.statistics.value.keys()]).toEqual(['a', 'b', 'c'])
  dispose()
})

test('no request asks for more names than the server takes', async () => {
  const sent = answering()
  const many = Array.from({ length: MAX_HOLD_STATISTICS + 5 }, (_, index) => `lock/${index}`)
  const { dispose } = inScope(() => useHoldStatistics(() => many))
  await settle(3_000)
  expect(sent.map(({ path }) => namesOf(path).length)).toEqual([MAX_HOLD_STATISTICS, 5])
  dispose()
})

test('it is read again after a while', async () => {
  const sent = answering()
  const { dispose } = inScope(() => useHoldStatistics(() => ['a']))
  await settle(70_000)
  expect(sent.length).toBeGreaterThan(1)
  expect(sent.length).toBeLessThan(4)
  dispose()
})

test('a server that denies it is not asked again', async () => {
  const sent = serve(() => problem(403, 'forbidden', { required: 'observe' }))
  const { dispose } = inScope(() => useHoldStatistics(() => ['a']))
  await settle(70_000)
  expect(sent.filter(({ path }) => path.startsWith('/v1/hold-statistics'))).toHaveLength(1)
  dispose()
})
