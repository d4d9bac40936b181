import { expect, test } from 'vitest'
import type { EventPage, LockEvent } from '../api/types'
import {
  MAX_LOADED,
  nextRequest,
  NOTHING,
  prepare,
  shownBlock,
  withArrived,
  withPage,
  type EventBlock,
  type Loaded,
  type LookedAt,
} from './lockHistory'
import { granted } from './testData'

/** The event with version 0; each later one is a second after the one before. */
const EPOCH = 1_800_000_000_000
const at = (version: number) => EPOCH + version * 1_000
const events = (from: number, to: number): LockEvent[] =>
  Array.from({ length: to - from + 1 }, (_, index) => granted(from + index, from + index))
const block = (from: number, to: number, part: Partial<EventBlock> = {}): EventBlock => ({
  events: events(from, to),
  start: `s${from}`,
  until: null,
  ...part,
})
const page = (from: number, to: number, start: string | null): EventPage => ({
  events: events(from, to),
  cursor: 'end',
  start,
})
const window = (from: number, to: number, live = false): LookedAt => ({ from: at(from), to: at(to), live })
const versions = ({ events }: EventBlock) => [events[0]?.version, events.at(-1)?.version]

/** The lock has 10,000 events, the last of them a second ago. */
const NOW = at(10_001)
const recent = block(9_501, 10_000)
const loaded: Loaded = { recent, past: null }

test('a window that what is loaded reaches needs nothing, one that begins earlier needs older events', () => {
  expect(nextRequest(window(9_600, 10_001, true), loaded, NOW)).toBeNull()
  expect(nextRequest(window(9_000, 10_001, true), loaded, NOW)).toEqual({
    block: 'recent',
    fresh: false,
    before: 's9501',
    to: null,
  })
})

test('nothing is requested again of a log that has no older events', () => {
  const all = { recent: { ...recent, start: null }, past: null }
  expect(nextRequest(window(100, 10_001, true), all, NOW)).toBeNull()
  expect(nextRequest(window(100, 200), all, NOW)).toBeNull()
  const past = { ...block(400, 900, { until: at(901) }), start: null }
  expect(nextRequest(window(100, 200), { recent, past }, NOW)).toBeNull()
})

test('a window far in the past is requested directly, and not what happened since', () => {
  expect(nextRequest(window(1_000, 2_000), loaded, NOW)).toEqual({
    block: 'past',
    fresh: true,
    before: 's9501',
    to: at(3_000),
  })
})

test('a window in the past is filled backwards until its start is reached', () => {
  const looked = window(1_000, 2_000)
  const first = nextRequest(looked, loaded, NOW)
  if (!first) throw new Error('nothing is requested')
  const half = withPage(loaded, first, page(1_500, 2_999, 's1500'))
  expect(versions(shownBlock(looked, half, NOW))).toEqual([1_500, 2_999])
  const second = nextRequest(looked, half, NOW)
  expect(second).toEqual({ block: 'past', fresh: false, before: 's1500', to: at(3_000) })
  if (!second) return
  const whole = withPage(half, second, page(900, 1_499, 's900'))
  expect(versions(shownBlock(looked, whole, NOW))).toEqual([900, 2_999])
  expect(nextRequest(looked, whole, NOW)).toBeNull()
  expect(versions(whole.recent)).toEqual([9_501, 10_000])
})

test('a search without an event so far goes on from where it ended', () => {
  const past = { events: [], start: 'deep', until: at(3_000) }
  expect(nextRequest(window(1_000, 2_000), { recent, past }, NOW)).toMatchObject({
    fresh: false,
    before: 'deep',
  })
})

test('a window that begins before what is loaded and ends within it takes what is there', () => {
  const looked = window(9_000, 9_600)
  const prepared = prepare(looked, loaded, NOW)
  expect(versions(prepared.past ?? NOTHING)).toEqual([9_501, 9_995])
  expect(nextRequest(looked, prepared, NOW)).toEqual({
    block: 'past',
    fresh: false,
    before: 's9501',
    to: NOW - 5_000,
  })
})

test('a window that ends now is served by the events that arrive', () => {
  expect(shownBlock(window(9_000, 9_999), { recent, past: block(1, 9) }, NOW)).toBe(recent)
  expect(nextRequest(window(9_000, 9_999), loaded, NOW)).toMatchObject({ block: 'recent' })
})

test('a step to later times keeps the earlier events, if none between is missing', () => {
  const past = block(1_000, 2_000, { until: at(2_001) })
  const looked = window(1_500, 2_500)
  const request = nextRequest(looked, { recent, past }, NOW)
  expect(request).toMatchObject({ block: 'past', fresh: true, to: at(3_500) })
  if (!request) return
  const contiguous = withPage({ recent, past }, request, page(2_001, 3_499, 's2001'))
  expect(versions(contiguous.past ?? NOTHING)).toEqual([1_000, 3_499])
  const apart = withPage({ recent, past }, request, page(2_500, 3_499, 's2500'))
  expect(versions(apart.past ?? NOTHING)).toEqual([2_500, 3_499])
})

test('no more than a bound is loaded, for a window that moves on and for one in the past', () => {
  const full = block(1, MAX_LOADED)
  const later = at(MAX_LOADED + 1)
  const earlier = { from: EPOCH - 1_000, to: later, live: true }
  expect(nextRequest(earlier, { recent: full, past: null }, later)).toBeNull()
  const past = { ...full, until: later }
  const looked = { ...earlier, live: false }
  const muchLater = later + 3_600_000
  const all = prepare(looked, { recent: block(90_000, 90_001), past }, muchLater)
  expect(nextRequest(looked, all, muchLater)).toBeNull()
})

test('a full block makes room for a window that is moved back', () => {
  const past = block(5_000, 5_000 + MAX_LOADED - 1, { until: at(90_000) })
  const looked = window(4_900, 5_100)
  const prepared = prepare(looked, { recent: block(99_000, 99_001), past }, at(99_002))
  expect(versions(prepared.past ?? NOTHING)).toEqual([5_000, 5_299])
  expect(nextRequest(looked, prepared, at(99_002))).toMatchObject({ fresh: false, before: 's5000' })
})

test('events that arrive displace the oldest ones, which can be loaded again', () => {
  const grown = withArrived(block(1, MAX_LOADED), events(MAX_LOADED + 1, MAX_LOADED + 2_000))
  expect(versions(grown)).toEqual([2_001, MAX_LOADED + 2_000])
  expect(grown.start).toBe('c2001')
  const request = { block: 'recent', fresh: false, before: 'c2001', to: null } as const
  const short = { ...grown, events: grown.events.slice(0, 10) }
  const again = withPage({ recent: short, past: null }, request, page(2_000, 2_001, 's2000'))
  expect(versions(again.recent)).toEqual([2_000, 2_010])
  expect(again.recent.events).toHaveLength(11)
})

test('a page that no longer fits is dropped', () => {
  const request = { block: 'recent', fresh: false, before: 'other', to: null } as const
  expect(withPage(loaded, request, page(1, 9, null))).toBe(loaded)
})
