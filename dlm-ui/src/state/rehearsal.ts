// What a force-release leads to, as far as it can be foreseen.
import type { HoldStatistics, Holder, LockEvent, LockStatus, Waiter } from '../api/types'

/** How often the lock changes hands until the queue is empty: shared waiters in a row hold it together. */
export function turns(waiters: readonly Waiter[], queueLen: number): number {
  let count = 0
  let before: Waiter['mode'] | null = null
  for (const { mode } of waiters) {
    if (mode === 'exclusive' || before !== 'shared') count += 1
    before = mode
  }
  // Of those that are not shown the mode is not known.
  return count + Math.max(0, queueLen - waiters.length)
}

/** How long the queue takes to empty, if each holds the lock as long as is usual; `null` if that is not known. */
export function drainMs(status: LockStatus, hold: HoldStatistics | null): number | null {
  if (!hold || hold.samples === 0) return null
  const present = (status.waiters ?? []).filter(({ away }) => !away)
  const hidden = status.queue_len - (status.waiters ?? []).length
  return turns(present, present.length + hidden) * hold.p50_ms
}

/** The lease that the lock goes to after another one ended. */
export interface Aftermath {
  next: { owner: string; principal: string | null; token: number; mode: LockEvent['mode'] }
  /** How long after the release it was granted. */
  afterMs: number
}

/** The first grant after the lease with this token ended; `null` while there is none. */
export function aftermath(events: readonly LockEvent[], token: number): Aftermath | null {
  const end = events.findIndex((event) => event.kind === 'force_released' && event.fencing_token === token)
  const released = events[end]
  if (!released) return null
  const grant = events.slice(end + 1).find(({ kind }) => kind === 'granted')
  if (!grant || grant.fencing_token === null || grant.fencing_token === undefined) return null
  return {
    next: {
      owner: grant.owner,
      principal: grant.principal ?? null,
      token: grant.fencing_token,
      mode: grant.mode,
    },
    afterMs: Math.max(0, Date.parse(grant.at) - Date.parse(released.at)),
  }
}

/** The other holder that may be looked at after the one that was meant is gone. */
export function newHolder(status: LockStatus, token: number): Holder | null {
  return status.holders.find(({ fencing_token }) => fencing_token !== token) ?? null
}
