import { watch } from 'vue'
import type { LockStatus } from '../api/types'
import { useClock } from '../stores/clock'

/** An expiry reaches the page this long after its time at the latest, if it is one. */
const OVERDUE_MS = 750
const MOST_REMEMBERED = 1_000

/**
 * Tells of locks with a holder whose time is up and of which nothing was heard, once a term: its renewals may go to
 * another server.
 */
export function useOverdue(rows: () => readonly LockStatus[], overdue: (name: string) => void): void {
  const clock = useClock()
  const told = new Map<string, string>()
  watch(
    () => clock.now,
    (now) => {
      for (const { resource, holders } of rows()) {
        const until = holders.map((holder) => holder.expires_at).sort()[0]
        if (!until || now < Date.parse(until) + OVERDUE_MS || told.get(resource) === until) continue
        if (told.size > MOST_REMEMBERED) told.clear()
        told.set(resource, until)
        overdue(resource)
      }
    },
  )
}
