// Texts about holds of a lock over time.
import { duration, ownerName } from './format'
import type { Bar } from '../state/bars'
import type { Hold } from '../state/timeline'

const END_LABELS = { released: 'released', expired: 'expired', force_released: 'force-released' } as const
/** More holders at one instant are counted. */
const MAX_NAMED = 3

export function describeHold(hold: Hold, now: number): string {
  const length = hold.from === null ? '' : ` for ${duration((hold.to ?? now) - hold.from)}`
  const end = hold.end ? `, ${END_LABELS[hold.end]}` : ', current holder'
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
  knownSince: number | null,
): string {
  const found = holds.filter(({ from, to }) => (from ?? knownSince ?? 0) <= at && at <= (to ?? now))
  if (found.length === 0) return knownSince !== null && at < knownSince ? 'unknown' : 'free'
  const names = found.slice(0, MAX_NAMED).map((hold) => `${ownerName(hold.owner)}, token ${hold.token}`)
  const more = found.length > MAX_NAMED ? ` and ${found.length - MAX_NAMED} more` : ''
  return names.join('; ') + more
}
