import { expect, test } from 'vitest'
import type { LockEvent, LockStatus } from '../api/types'
import { event, granted, held, row } from './testData'
import * as timeline from './timeline'
import { ticks } from './timeline'

const block = (events: LockEvent[], until: number | null = null) => ({ events, start: null, until })
const buildHolds = (events: LockEvent[], status: LockStatus | null, until?: number) =>
  timeline.buildHolds(block(events, until), status)
const historyStart = (events: LockEvent[], status: LockStatus | null, now: number, until?: number) =>
  timeline.historyStart(block(events, until), status, now)

const end = (kind: 'released' | 'expired' | 'force_released', version: number, token: number, part = {}) =>
  event(kind, version, { fencing_token: token, ...part })

test('each hold has its start, its end and its end reason', () => {
  const found = buildHolds(
    [
      granted(1, 1, { owner: 'one' }),
      end('released', 3, 1),
      granted(5, 2, { owner: 'two' }),
      end('expired', 6, 2),
      granted(7, 4, { owner: 'three' }),
      end('force_released', 8, 4, { reason: 'host is gone' }),
      granted(9, 6, { owner: 'four' }),
    ],
    null,
  )
  expect(found.map(({ token, owner, end, reason }) => [token, owner, end, reason])).toEqual([
    [1, 'one', 'released', null],
    [2, 'two', 'expired', null],
    [4, 'three', 'force_released', 'host is gone'],
    [6, 'four', null, null],
  ])
  expect(found.map(({ from, to }) => to && from && to - from)).toEqual([2000, 1000, 1000, null])
  expect(new Set(found.map(({ lane }) => lane))).toEqual(new Set([0]))
})

test('a hold without a grant event has no start', () => {
  expect(buildHolds([end('released', 3, 1)], null)).toMatchObject([{ token: 1, from: null, end: 'released' }])
})

test('a holder whose grant is no longer in the log is taken from the status', () => {
  const status = row({
    holders: [
      {
        mode: 'exclusive',
        owner: 'old',
        fencing_token: 9,
        ttl_ms: 1000,
        acquired_at: '2026-01-01T00:00:00.000Z',
        expires_at: '2026-01-01T00:00:01.000Z',
        metadata: {},
      },
    ],
  })
  expect(buildHolds([], status)).toMatchObject([
    { token: 9, owner: 'old', from: Date.UTC(2026, 0, 1), to: null },
  ])
})

test('a hold without an end is current, unless the events end before now and it is no longer a holder', () => {
  const current = (...args: Parameters<typeof buildHolds>) => buildHolds(...args).map((hold) => hold.current)
  expect(current([granted(1, 1), granted(2, 2), end('released', 3, 1)], null)).toEqual([false, true])
  expect(current([granted(1, 1)], row(), 1_900_000_000_000)).toEqual([false])
  expect(current([granted(1, 1)], held('a', 1), 1_900_000_000_000)).toEqual([true])
})

test('overlapping shared holds get different lanes, and lanes are reused', () => {
  const shared = { mode: 'shared' } as const
  const found = buildHolds(
    [granted(1, 1, shared), granted(2, 2, shared), end('released', 3, 1), granted(4, 3, shared)],
    null,
  )
  expect(found.map(({ lane }) => lane)).toEqual([0, 1, 0])
})

test('the history starts at the first loaded event, unless that is the first event of the lock', () => {
  const now = 1_900_000_000_000
  const later = granted(5, 3)
  expect(historyStart([granted(1, 1), granted(5, 3)], row({ version: 5 }), now)).toBeNull()
  expect(historyStart([later], row({ version: 5 }), now)).toBe(Date.parse(later.at))
  expect(historyStart([], row({ version: 5 }), now)).toBe(now)
  expect(historyStart([], row(), now)).toBeNull()
  expect(historyStart([], row(), now, 1_850_000_000_000)).toBe(1_850_000_000_000)
})

test('an axis has a few ticks at round times', () => {
  for (const span of [1, 10, 60, 600, 3600, 86_400, 30 * 86_400]) {
    const from = 1_800_000_123_456
    const result = ticks(from, from + span * 1000)
    expect(result.length).toBeLessThanOrEqual(7)
    expect(result.every((tick) => tick >= from && tick % 1000 === 0)).toBe(true)
    if (span > 1) expect(result.length).toBeGreaterThanOrEqual(2)
  }
})
