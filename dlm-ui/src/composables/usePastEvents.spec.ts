import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ref } from 'vue'
import { api, ApiError } from '../api/client'
import type { EventPage } from '../api/types'
import { granted } from '../state/testData'
import { deferred, inScope, settle } from './testing'
import { usePastEvents } from './usePastEvents'

const newest = vi.spyOn(api, 'newestEvents')
const AT = '2027-01-15T08:00:01.000Z'
const LATER = '2027-01-15T08:00:02.000Z'
let dispose = () => {}

function setup(until = ref<string | null>(AT), filter = {}) {
  const scope = inScope(() => usePastEvents({ filter: () => filter, until: () => until.value, page: 5 }))
  dispose = scope.dispose
  return { ...scope.result, until }
}
const page = (versions: number[], part: Partial<EventPage> = {}): EventPage => ({
  events: versions.map((version) => granted(version, version)),
  cursor: 'c',
  ...part,
})

beforeEach(() => {
  vi.useFakeTimers()
  newest.mockReset()
})
afterEach(() => {
  dispose()
  vi.useRealTimers()
})

test('the events of the instant itself are the last ones', async () => {
  newest.mockResolvedValue(page([1, 2]))
  const { events, loadedUntil } = setup(undefined, { resource: 'a' })
  await settle()
  expect(newest.mock.lastCall?.slice(0, 2)).toEqual([{ resource: 'a', to: '2027-01-15T08:00:01.001Z' }, 5])
  expect(events.value.map(({ version }) => version)).toEqual([2, 1])
  expect(loadedUntil.value).toBe(AT)
})

test('an earlier end of the filter stays', async () => {
  newest.mockResolvedValue(page([]))
  setup(undefined, { to: '2027-01-15T07:00:00.000Z' })
  await settle()
  expect(newest.mock.lastCall?.[0].to).toBe('2027-01-15T07:00:00.000Z')
})

test('nothing is read while the instant is not known, and nothing is shown then', async () => {
  newest.mockResolvedValue(page([1]))
  const { events, until } = setup(ref(null))
  await settle()
  expect(newest).not.toHaveBeenCalled()
  until.value = AT
  await settle()
  expect(events.value).toHaveLength(1)
  until.value = null
  await settle()
  expect(events.value).toEqual([])
})

test('older events are added, but not to the list of another instant', async () => {
  newest.mockResolvedValueOnce(page([3, 4], { start: 's', searched_from: AT }))
  const { events, start, until, loadOlder } = setup()
  await settle()
  newest.mockResolvedValueOnce(page([1, 2]))
  await loadOlder()
  expect(newest.mock.lastCall?.[0]).toMatchObject({ before: 's' })
  expect(events.value.map(({ version }) => version)).toEqual([4, 3, 2, 1])
  expect(start.value).toBeNull()

  newest.mockResolvedValueOnce(page([3], { start: 's' }))
  until.value = LATER
  await settle()
  const held = deferred<EventPage>()
  newest.mockReturnValueOnce(held.promise)
  const loading = loadOlder()
  newest.mockResolvedValueOnce(page([9]))
  until.value = AT
  await settle()
  held.resolve(page([1]))
  await loading
  expect(events.value.map(({ version }) => version)).toEqual([9])
})

test('a refusal is kept as an error', async () => {
  newest.mockRejectedValue(new ApiError(400, null, 'refused'))
  const { error, events } = setup()
  await settle()
  expect(error.value?.message).toBe('refused')
  expect(events.value).toEqual([])
})
