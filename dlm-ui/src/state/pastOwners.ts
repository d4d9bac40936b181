// Who held and waited for what at an instant of the past.
import type { PastHolder, PastLock, PastState, PastWaiter } from '../api/types'

type Actor = Pick<PastHolder, 'owner' | 'principal'>

/** An owner, of one principal if that is known. */
export interface PastOwner {
  owner: string
  principal: string | null
  /** How many waiters were in the queues of the locks that it held. */
  blocked: number
  holds: number
  waits: number
  /** When these began, as far as it is known. */
  heldSince: (string | null)[]
  waitingSince: (string | null)[]
}

/** Those of which others waited for most come first. */
export function ownersAt(locks: readonly PastLock[]): PastOwner[] {
  const owners = new Map<string, PastOwner>()
  const find = ({ owner, principal = null }: Actor) => {
    const key = JSON.stringify([owner, principal])
    const known = owners.get(key)
    if (known) return known
    const added = { owner, principal, blocked: 0, holds: 0, waits: 0, heldSince: [], waitingSince: [] }
    owners.set(key, added)
    return added as PastOwner
  }
  for (const { holders, waiters, queue_len } of locks) {
    const blocking = new Set<PastOwner>()
    for (const holder of holders) {
      const owner = find(holder)
      owner.holds += 1
      owner.heldSince.push(holder.acquired_at ?? null)
      blocking.add(owner)
    }
    for (const owner of blocking) owner.blocked += queue_len
    for (const waiter of waiters) {
      const owner = find(waiter)
      owner.waits += 1
      owner.waitingSince.push(waiter.enqueued_at ?? null)
    }
  }
  return [...owners.values()].sort(
    (a, b) => b.blocked - a.blocked || b.holds - a.holds || (a.owner < b.owner ? -1 : 1),
  )
}

/** How many holders and waiters there were beyond those that an answer lists of each lock. */
export function unlisted(locks: readonly PastLock[]): { holders: number; waiters: number } {
  return {
    holders: locks.reduce((sum, lock) => sum + lock.holder_count - lock.holders.length, 0),
    waiters: locks.reduce((sum, lock) => sum + lock.queue_len - lock.waiters.length, 0),
  }
}

export interface PastHold {
  resource: string
  holder: PastHolder
  queueLen: number
  /** A lock that the holder waited for itself. */
  waitsFor: string | null
}

export interface PastWait {
  resource: string
  waiter: PastWaiter
  /** From 1. */
  position: number
  holders: PastHolder[]
  holderCount: number
}

export interface Owned {
  holds: PastHold[]
  waits: PastWait[]
  /** Locks of which not all holders or waiters are known: it may have been among the others. */
  beyond: string[]
}

/** What an owner held and waited for; of a principal, also where it is not known whose the owner was. */
export function ownedAt({ locks }: PastState, owner: string, principal: string | null): Owned {
  const owned: Owned = { holds: [], waits: [], beyond: [] }
  const wanted: Actor = { owner, principal }
  for (const { resource, holders, holder_count, waiters, queue_len } of locks) {
    for (const holder of holders.filter((holder) => mayBe(holder, wanted)))
      owned.holds.push({ resource, holder, queueLen: queue_len, waitsFor: holder.waits_for ?? null })
    for (const [index, waiter] of waiters.entries()) {
      if (!mayBe(waiter, wanted)) continue
      owned.waits.push({ resource, waiter, position: index + 1, holders, holderCount: holder_count })
    }
    if (holder_count > holders.length || queue_len > waiters.length) owned.beyond.push(resource)
  }
  // The answer tells it only of holders that others wait for. Without an owner waiters can't be told apart.
  for (const hold of owner === '' ? [] : owned.holds)
    hold.waitsFor ??= owned.waits.find(({ waiter }) => mayBe(waiter, hold.holder))?.resource ?? null
  return owned
}

/** A lock that was waited for. */
export interface PastQueue {
  resource: string
  queueLen: number
  /** The waiter that had come first; it is among those that the answer lists. */
  first: PastWaiter | null
  holders: PastHolder[]
  holderCount: number
}

/** In the order of the answer. */
export function queuesAt({ locks }: PastState): PastQueue[] {
  return locks
    .filter(({ queue_len }) => queue_len > 0)
    .map(({ resource, queue_len, waiters, holders, holder_count }) => ({
      resource,
      queueLen: queue_len,
      first: waiters[0] ?? null,
      holders,
      holderCount: holder_count,
    }))
}

/** Whether two may be the same: a principal that is not known may be any. */
function mayBe(a: Actor, b: Actor): boolean {
  return a.owner === b.owner && (!a.principal || !b.principal || a.principal === b.principal)
}
