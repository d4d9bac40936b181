// The holds of a lock over time, derived from its events.
import type { EventKind, LockStatus } from '../api/types'
import type { EventBlock } from './lockHistory'

export interface Hold {
  token: number
  owner: string
  shared: boolean
  /** Milliseconds since the epoch; `null` if the hold began before the known history. */
  from: number | null
  /** `null` while the lock is held, or if the end is not among the events that were loaded. */
  to: number | null
  /** The lock is still held. */
  current: boolean
  end: Extract<EventKind, 'released' | 'expired' | 'force_released'> | null
  /** The operator's reason for a force-release. */
  reason: string | null
  /** The row of the bar; overlapping shared holds get different lanes. */
  lane: number
}

/** All holds, in the order in which they began. */
export function buildHolds({ events, until }: EventBlock, status: LockStatus | null): Hold[] {
  const byToken = new Map<number, Hold>()
  for (const event of events) {
    const token = event.fencing_token
    if (token === null || token === undefined) continue
    const at = Date.parse(event.at)
    switch (event.kind) {
      case 'granted':
        byToken.set(token, newHold(token, event.owner, event.mode === 'shared', at))
        break
      case 'released':
      case 'expired':
      case 'force_released': {
        const ended = byToken.get(token) ?? newHold(token, event.owner, event.mode === 'shared', null)
        byToken.set(token, { ...ended, to: at, end: event.kind, reason: event.reason ?? null })
        break
      }
    }
  }
  for (const holder of status?.holders ?? []) {
    const { fencing_token: token, owner, mode, acquired_at } = holder
    if (!byToken.has(token))
      byToken.set(token, newHold(token, owner, mode === 'shared', Date.parse(acquired_at)))
  }
  const holders = new Set(status?.holders.map((holder) => holder.fencing_token))
  for (const hold of byToken.values())
    hold.current = hold.end === null && (until === null || holders.has(hold.token))
  const ordered = [...byToken.values()].sort((a, b) => (a.from ?? 0) - (b.from ?? 0) || a.token - b.token)
  return assignLanes(ordered)
}

/**
 * The start of the known history; `null` if the history is complete. Earlier events were not loaded or are no longer in
 * the log, so the lock may have been held before.
 */
export function historyStart(
  { events, until }: EventBlock,
  status: LockStatus | null,
  now: number,
): number | null {
  const first = events[0]
  if (first) return first.version === 1 ? null : Date.parse(first.at)
  return until === null && (status?.version ?? 0) === 0 ? null : (until ?? now)
}

function newHold(token: number, owner: string, shared: boolean, from: number | null): Hold {
  return { token, owner, shared, from, to: null, current: false, end: null, reason: null, lane: 0 }
}

/** Assigns each hold the first lane that is free when it begins. */
function assignLanes(ordered: readonly Hold[]): Hold[] {
  const busyUntil: number[] = []
  return ordered.map((hold) => {
    const from = hold.from ?? Number.NEGATIVE_INFINITY
    let lane = busyUntil.findIndex((until) => until <= from)
    if (lane < 0) lane = busyUntil.length
    busyUntil[lane] = hold.to ?? Number.POSITIVE_INFINITY
    return { ...hold, lane }
  })
}

/** Axis ticks at round times, about `max` of them. */
export function ticks(from: number, to: number, max = 6): number[] {
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400]
  const span = (to - from) / 1000
  const step =
    (STEPS.find((seconds) => span / seconds <= max) ?? Math.ceil(span / max / 86_400) * 86_400) * 1000
  const result: number[] = []
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) result.push(at)
  return result
}
