// The locks that are waited for, put together from the overview and the wait-for graph.
import type { BlockedLock, ContendedLock, LongWait, Overview, WaitGraph } from '../api/types'

export interface WaitedLock {
  resource: string
  /** The owner that has held it longest; `null` if nobody holds the lock, or it is not known who. */
  blocker: string | null
  holderCount: number
  waiterCount: number
  /** When the oldest wait began. */
  waitingSince: string
  /** When the blocker was granted it; `null` if that is not known. */
  heldSince: string | null
}

/** All that is known to be waited for. The graph has more locks than the overview, and more of their holders. */
export function waitedLocks(overview: Overview, graph: WaitGraph | null): WaitedLock[] {
  const locks = new Map<string, WaitedLock>()
  for (const lock of overview.contended) locks.set(lock.resource, ofOverview(lock))
  for (const lock of graph?.locks ?? []) locks.set(lock.resource, ofGraph(lock))
  // A short queue is not among the contended locks, however long it waits.
  for (const { resource, enqueued_at } of longestWaits(overview).filter(
    (wait) => !locks.has(wait.resource),
  )) {
    const known = locks.get(resource)
    if (known) known.waiterCount += 1
    else {
      const unknown = { blocker: null, holderCount: 0, heldSince: null }
      locks.set(resource, { resource, ...unknown, waiterCount: 1, waitingSince: enqueued_at })
    }
  }
  return [...locks.values()]
}

function ofGraph({
  resource,
  queue_len,
  oldest_enqueued_at,
  holder_count,
  holders,
}: BlockedLock): WaitedLock {
  const [first] = [...holders].sort((a, b) => Date.parse(a.acquired_at) - Date.parse(b.acquired_at))
  return {
    resource,
    blocker: first?.owner ?? null,
    holderCount: holder_count,
    waiterCount: queue_len,
    waitingSince: oldest_enqueued_at,
    heldSince: first?.acquired_at ?? null,
  }
}

function ofOverview(lock: ContendedLock): WaitedLock {
  return {
    resource: lock.resource,
    blocker: lock.holder_count > 0 ? lock.owner : null,
    holderCount: lock.holder_count,
    waiterCount: lock.queue_len,
    waitingSince: lock.oldest_enqueued_at,
    heldSince: lock.acquired_at ?? null,
  }
}

/** The oldest wait is known also if it is none of the long ones. */
function longestWaits({ long_waits, oldest_wait }: Overview): LongWait[] {
  return long_waits.length > 0 || !oldest_wait ? long_waits : [oldest_wait]
}
