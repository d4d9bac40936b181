import { watch } from 'vue'
import type { LockStatus } from '../api/types'
import { useClock } from '../stores/clock'

/** The event of an expired lease reaches the page within this time after the expiry. */
const GRACE_MS = 750
const MAX_REPORTED = 1_000

/**
 * Reports locks whose lease is past its expiry without an event. The lease may have been renewed through another
 * server, so the status has to be fetched. Each term is reported once.
 */
export function useOverdueLeases(rows: () => readonly LockStatus[], onOverdue: (name: string) => void): void {
  const clock = useClock()
  const reported = new Map<string, string>()
  watch(
    () => clock.now,
    (now) => {
      for (const { resource, holders } of rows()) {
        const expiry = holders.map((holder) => holder.expires_at).sort()[0]
        if (!expiry || now < Date.parse(expiry) + GRACE_MS || reported.get(resource) === expiry) continue
        if (reported.size > MAX_REPORTED) reported.clear()
        reported.set(resource, expiry)
        onOverdue(resource)
      }
    },
  )
}
