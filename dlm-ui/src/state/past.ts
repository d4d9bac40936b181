// Instants of the past that can be looked at, and what was there at one.
import type { LockStatus, PastLock, PastState } from '../api/types'
import { duration } from '../lib/format'
import { AGE_MS, type RowFilter } from './listFilter'

/** The time that the log covers, in milliseconds since the epoch. */
export interface Reach {
  from: number
  to: number
}

export function reach({ known_since, now }: PastState): Reach {
  const to = Date.parse(now)
  return { from: known_since ? Math.min(to, Date.parse(known_since)) : to, to }
}

/** An instant within these bounds, in ISO 8601. */
export function clampInstant(ms: number, { from, to }: Reach): string {
  return new Date(Math.floor(Math.min(to, Math.max(from, ms)))).toISOString()
}

/** How long something had lasted at the instant; what began at an unknown time says so. */
export function lasted(since: string | null | undefined, at: string): string {
  return since ? `for ${duration(Date.parse(at) - Date.parse(since))}` : 'since an unknown time'
}

/** How long that had lasted which began first; at least so long if some of it began at an unknown time. */
export function longest(began: readonly (string | null | undefined)[], at: string): string {
  const known = began.flatMap((since) => (since ? [Date.parse(since)] : []))
  if (known.length === 0) return began.length === 0 ? '–' : 'unknown'
  const text = duration(Date.parse(at) - known.reduce((oldest, since) => Math.min(oldest, since)))
  return known.length < began.length ? `at least ${text}` : text
}

/** Whether more locks were in use than the answer has. */
export function isPartial(state: PastState | null): boolean {
  return state !== null && state.lock_count > state.locks.length
}

/** The lock of a name, from the answer for names that begin with it; `null` if it was not in use. */
export function lockAt({ locks }: PastState, name: string): PastLock | null {
  // The name itself comes before all that are longer.
  return locks.find(({ resource }) => resource === name) ?? null
}

/** The filters of the list of locks. A hold that began at an unknown time may be of any age. */
export function filterPast(
  { locks, at }: PastState,
  { mode, owner, age }: RowFilter,
  waiting: boolean,
): PastLock[] {
  const part = owner.toLowerCase()
  const latest = Date.parse(at) - AGE_MS[age]
  return locks.filter(
    ({ holders, queue_len }) =>
      (!waiting || queue_len > 0) &&
      (mode === 'any' || holders.some((holder) => holder.mode === mode)) &&
      (part === '' || holders.some((holder) => holder.owner.toLowerCase().includes(part))) &&
      (age === 'any' || holders.some(({ acquired_at }) => !acquired_at || Date.parse(acquired_at) <= latest)),
  )
}

/**
 * The lock for its timeline, which reads no more of it than this; `null` if one of its holds began at a time that is
 * neither known nor in the events.
 */
export function statusForTimeline(
  lock: PastLock | null,
  name: string,
  granted: ReadonlySet<number>,
): LockStatus | null {
  const holders = lock?.holders ?? []
  const others = holders.filter(({ fencing_token }) => !granted.has(fencing_token))
  const known = others.flatMap(({ owner, mode, fencing_token, acquired_at }) =>
    acquired_at
      ? [{ owner, mode, fencing_token, acquired_at, expires_at: acquired_at, ttl_ms: 0, metadata: {} }]
      : [],
  )
  if (known.length < others.length) return null
  return {
    resource: name,
    state: holders.length > 0 ? 'held' : 'free',
    mode: holders[0]?.mode ?? null,
    current_token: 0,
    version: 0,
    holders: known,
    holder_count: lock?.holder_count ?? 0,
    queue_len: lock?.queue_len ?? 0,
    oldest_enqueued_at: null,
  }
}
