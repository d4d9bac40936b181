// Texts about holds of a lock over time.
import { clockTime, duration, ownerName, type Zone } from './format'
import type { Axis, Bar } from '../state/bars'
import type { Hold } from '../state/timeline'
import type { Missing } from '../composables/useLockHistory'

const END_LABELS = { released: 'released', expired: 'expired', force_released: 'force-released' } as const
/** More holders at one instant are counted. */
const MAX_NAMED = 3

export function describeHold(hold: Hold, now: number): string {
  const to = hold.current ? now : hold.to
  const length = hold.from === null || to === null ? '' : ` for ${duration(to - hold.from)}`
  const end = hold.end ? `, ${END_LABELS[hold.end]}` : hold.current ? ', current holder' : ', ended later'
  const reason = hold.reason ? ` (${hold.reason})` : ''
  return `token ${hold.token}: ${ownerName(hold.owner)}${length}${end}${reason}`
}

export function describeBar({ hold, count, firstToken }: Bar, now: number): string {
  const last = describeHold(hold, now)
  return count === 1 ? last : `${count} leases from token ${firstToken} on; ${last}`
}

/** Who held the lock at an instant. */
export function holdersAt(
  holds: readonly Hold[],
  at: number,
  now: number,
  { knownSince, knownUntil }: Pick<Axis, 'knownSince' | 'knownUntil'>,
): string {
  const end = ({ to, current }: Hold) => to ?? (current ? now : (knownUntil ?? now))
  const found = holds.filter((hold) => (hold.from ?? knownSince ?? 0) <= at && at <= end(hold))
  const unknown = (knownSince !== null && at < knownSince) || (knownUntil !== null && at > knownUntil)
  if (found.length === 0) return unknown ? 'unknown' : 'free'
  const names = found.slice(0, MAX_NAMED).map((hold) => `${ownerName(hold.owner)}, token ${hold.token}`)
  const more = found.length > MAX_NAMED ? ` and ${found.length - MAX_NAMED} more` : ''
  return names.join('; ') + more
}

/** What to say of the time on the axis that is not known, or of a time without a holder; empty if nothing. */
export function historyNote(axis: Axis, isFree: boolean, missing: Missing, zone: Zone): string {
  const { from, to, knownSince } = axis
  const since = knownSince === null ? null : clockTime(knownSince, zone, to)
  const unreached = knownSince !== null && knownSince >= to
  switch (missing) {
    case 'loading':
      return 'Loading events of this time…'
    case 'failed':
      return 'The events of this time could not be loaded.'
    case 'too-many':
      return unreached
        ? 'Too many events have happened since to look so far back.'
        : `Too many events to load at once: the history before ${since} is unknown. Zoom in on it to see it.`
    case null:
      if (unreached) return 'The event log no longer covers this time.'
      if (knownSince !== null && knownSince > from)
        return `The event log no longer covers the time before ${since}.`
      return isFree ? 'The lock was free during this time.' : ''
  }
}
