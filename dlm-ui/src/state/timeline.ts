// Who held a lock when, from its events.
import type { EventKind, LockEvent, LockStatus } from '../api/types'

export interface Hold {
  token: number
  owner: string
  shared: boolean
  /** Milliseconds since the epoch; `null` when it began before what is known. */
  from: number | null
  /** `null` while it lasts. */
  to: number | null
  end: Extract<EventKind, 'released' | 'expired' | 'force_released'> | null
  /** The operator's, of a forced end. */
  reason: string | null
  /** Shared holds lie beside each other. */
  lane: number
}

/** The holds in the order in which they began. */
export function holds(events: readonly LockEvent[], status: LockStatus | null): Hold[] {
  const byToken = new Map<number, Hold>()
  for (const event of events) {
    const token = event.fencing_token
    if (token === null || token === undefined) continue
    const at = Date.parse(event.at)
    switch (event.kind) {
      case 'granted':
        byToken.set(token, hold(token, event.owner, event.mode === 'shared', at))
        break
      case 'released':
      case 'expired':
      case 'force_released': {
        const one = byToken.get(token) ?? hold(token, event.owner, event.mode === 'shared', null)
        byToken.set(token, { ...one, to: at, end: event.kind, reason: event.reason ?? null })
        break
      }
    }
  }
  for (const holder of status?.holders ?? []) {
    const { fencing_token: token, owner, mode, acquired_at } = holder
    if (!byToken.has(token))
      byToken.set(token, hold(token, owner, mode === 'shared', Date.parse(acquired_at)))
  }
  const ordered = [...byToken.values()].sort((a, b) => (a.from ?? 0) - (b.from ?? 0) || a.token - b.token)
  return intoLanes(ordered)
}

/**
 * From when on the events tell everything; `null` when they always do. Before that the lock may have been held by
 * anybody: older events were not loaded, or are no longer in the log.
 */
export function knownFrom(
  events: readonly LockEvent[],
  status: LockStatus | null,
  now: number,
): number | null {
  const first = events[0]
  if (first) return first.version === 1 ? null : Date.parse(first.at)
  return (status?.version ?? 0) === 0 ? null : now
}

function hold(token: number, owner: string, shared: boolean, from: number | null): Hold {
  return { token, owner, shared, from, to: null, end: null, reason: null, lane: 0 }
}

/** Gives each hold the first lane that is free when it begins. */
function intoLanes(ordered: readonly Hold[]): Hold[] {
  const busyUntil: number[] = []
  return ordered.map((one) => {
    const from = one.from ?? Number.NEGATIVE_INFINITY
    let lane = busyUntil.findIndex((until) => until <= from)
    if (lane < 0) lane = busyUntil.length
    busyUntil[lane] = one.to ?? Number.POSITIVE_INFINITY
    return { ...one, lane }
  })
}

/** Instants for the marks of an axis, at round times, a handful of them. */
export function ticks(from: number, to: number, most = 6): number[] {
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400]
  const span = (to - from) / 1000
  const step =
    (STEPS.find((seconds) => span / seconds <= most) ?? Math.ceil(span / most / 86_400) * 86_400) * 1000
  const result: number[] = []
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) result.push(at)
  return result
}
