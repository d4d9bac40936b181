import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ref } from 'vue'
import { api, UnreachableError } from '../api/client'
import { denial } from '../api/testing'
import type { EventPage, LockEvent } from '../api/types'
import { granted } from '../state/testData'
import { useClock } from '../stores/clock'
import { deferred, inScope, settle } from './testing'
import { useLockHistory } from './useLockHistory'

const newest = vi.spyOn(api, 'newestEvents')
/** The event with version 0; each later one is a second after the one before. */
const EPOCH = 1_800_000_000_000
const at = (version: number) => EPOCH + version * 1_000
const events = (from: number, to: number): LockEvent[] =>
  Array.from({ length: to - from + 1 }, (_, index) => granted(from + index, from + index))
const page = (from: number, to: number, start: string | null): EventPage => ({
  events: events(from, to),
  cursor: 'end',
  start,
})
const live = (from: number) => ({ from: at(from), to: at(1_001), live: true })
const pinned = (from: number, to: number) => ({ from: at(from), to: at(to), live: false })
const requests = () => newest.mock.calls.map(([filter]) => filter)
let dispose: () => void

/** The newest 100 of 1,000 events are loaded, and the last one happened a second ago. */
function setup() {
  const scope = inScope(() => useLockHistory(ref('a')))
  dispose = scope.dispose
  useClock().now = at(1_001)
  const history = scope.result
  history.restart(page(901, 1_000, 's901'))
  const shown = () => {
    const { events } = history.shown.value
    return [events[0]?.version, events.at(-1)?.version]
  }
  return { ...history, versions: shown }
}

beforeEach(() => {
  vi.useFakeTimers()
  newest.mockReset()
})
afterEach(() => {
  dispose()
  vi.useRealTimers()
})

test('older events are loaded page by page until the window is reached', async () => {
  const { look, missing, versions } = setup()
  newest.mockResolvedValueOnce(page(801, 900, 's801')).mockResolvedValueOnce(page(701, 800, 's701'))
  look(live(750))
  expect(missing.value).toBe('loading')
  await settle(1_000)
  expect(requests()).toEqual([
    { resource: 'a', before: 's901', to: '' },
    { resource: 'a', before: 's801', to: '' },
  ])
  expect([versions(), missing.value]).toEqual([[701, 1_000], null])
})

test('a log that has no older events is not asked again', async () => {
  const { look, versions } = setup()
  newest.mockResolvedValueOnce(page(890, 900, null))
  look(live(1))
  await settle(1_000)
  look({ ...live(0), to: at(1_002) })
  await settle(1_000)
  expect(requests()).toHaveLength(1)
  expect(versions()).toEqual([890, 1_000])
})

test('a window in the past is loaded directly, and the live end comes back at once', async () => {
  const { look, append, versions } = setup()
  newest.mockResolvedValueOnce(page(90, 199, 's90'))
  look(pinned(100, 150))
  await settle(1_000)
  expect(requests()).toEqual([{ resource: 'a', before: 's901', to: new Date(at(200)).toISOString() }])
  expect(versions()).toEqual([90, 199])
  append(events(1_001, 1_001))
  await settle(1_000)
  expect(versions()).toEqual([90, 199])
  look(live(950))
  expect(versions()).toEqual([901, 1_001])
  expect(requests()).toHaveLength(1)
})

test('one request is under way at a time, and is aborted once the window is elsewhere', async () => {
  const { look, versions } = setup()
  const slow = deferred<EventPage>()
  newest.mockReturnValueOnce(slow.promise).mockResolvedValueOnce(page(490, 599, 's490'))
  look(pinned(100, 150))
  await settle(100)
  const signal = newest.mock.calls[0]?.[2]
  expect(signal?.aborted).toBe(false)
  look(pinned(500, 550))
  expect(signal?.aborted).toBe(true)
  await settle(100)
  slow.resolve(page(90, 199, 's90'))
  await settle(1_000)
  expect(versions()).toEqual([490, 599])
})

test('a window that moves on with the time does not abort what it still needs', async () => {
  const { look, versions } = setup()
  const slow = deferred<EventPage>()
  newest.mockReturnValueOnce(slow.promise)
  look(live(850))
  await settle(100)
  look({ ...live(851), to: at(1_002) })
  slow.resolve(page(801, 900, 's801'))
  await settle(1_000)
  expect(requests()).toHaveLength(1)
  expect(versions()).toEqual([801, 1_000])
})

test('events that arrive are shown', () => {
  const { append, versions } = setup()
  append(events(1_001, 1_002))
  expect(versions()).toEqual([901, 1_002])
})

test('a time that is too many events ago is given up', async () => {
  const { look, missing } = setup()
  let searches = 0
  newest.mockImplementation(async () => ({ events: [], cursor: 'end', start: `s-${(searches += 1)}` }))
  look(pinned(100, 150))
  await settle(60_000)
  expect(missing.value).toBe('too-many')
  expect(requests().length).toBeLessThan(30)
})

test('a failed request is repeated, unless it was refused', async () => {
  const { look, missing, versions } = setup()
  newest.mockRejectedValueOnce(new UnreachableError()).mockResolvedValueOnce(page(801, 900, 's801'))
  look(live(850))
  await settle(1_000)
  expect(missing.value).toBe('failed')
  await settle(10_000)
  expect([versions(), missing.value]).toEqual([[801, 1_000], null])
  newest.mockRejectedValueOnce(denial('observe'))
  look(live(750))
  await settle(60_000)
  expect([requests().length, missing.value]).toEqual([3, 'failed'])
})

test('nothing is kept of events that were loaded before a restart', async () => {
  const { look, restart, clear, versions } = setup()
  const slow = deferred<EventPage>()
  newest.mockReturnValueOnce(slow.promise).mockResolvedValue(page(1, 1, null))
  look(pinned(100, 150))
  await settle(100)
  clear()
  look(null)
  slow.resolve(page(90, 199, 's90'))
  await settle(1_000)
  expect(versions()).toEqual([undefined, undefined])
  restart(page(950, 1_000, null))
  look(pinned(100, 150))
  await settle(1_000)
  expect(versions()).toEqual([950, 1_000])
})
