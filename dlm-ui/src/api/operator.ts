// What the operator's pages read: owners, why a lock is not free, and how long a lock is usually held.
import type { Blocker, Mode } from './types'

/** How long the last holds of a lock took. */
export interface HoldStatistics {
  samples: number
  p50_ms: number
  p95_ms: number
  max_ms: number
  /** Newest last. */
  recent_ms: number[]
  /** When the first of them was granted. */
  since: string
}

/** Somebody in a queue. */
export interface QueuedOwner {
  owner: string
  principal?: string | null
  mode: Mode
  position: number
  enqueued_at: string
}

/** Why a lock is not free, and what happens when it is. */
export interface Explanation {
  at: string
  resource: string
  holders: Blocker[]
  holder_count: number
  queue_len: number
  /** Who would be granted if all holders let go now. */
  next: QueuedOwner[]
  hold: HoldStatistics | null
  /** Half of the past holds took at most this much longer; `null` without statistics. */
  estimated_release_in_ms: number | null
  /** The first waiter of the owner that was asked for. */
  waiter: (QueuedOwner & { estimated_wait_ms: number | null }) | null
}

export interface HoldStatisticsPage {
  at: string
  locks: { resource: string; hold: HoldStatistics | null }[]
}

export interface OwnerSummary {
  owner: string
  principal?: string | null
  holds: number
  waits: number
  /** How many waiters can't go on before this owner lets go. */
  blocked: number
  oldest_held_at: string | null
  oldest_enqueued_at: string | null
}

export interface OwnersPage {
  at: string
  complete: boolean
  owners: OwnerSummary[]
  next: string | null
}

export type OwnedLock = Blocker & { resource: string; blocked: number }

export interface OwnedWait {
  resource: string
  mode: Mode
  position: number
  enqueued_at: string
  holders: Blocker[]
}

export interface OwnerDetails {
  at: string
  complete: boolean
  owner: string
  holds: OwnedLock[]
  waits: OwnedWait[]
}
