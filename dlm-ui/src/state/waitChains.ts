// Who waits for whom, over several locks.
import type { BlockedLock, Blocker, WaitGraph } from '../api/types'

/** A holder, and the lock that it holds. */
export interface ChainLink {
  resource: string
  owner: string
  fencingToken: number
}

/** Each holder waits for the lock of the next one. */
export interface WaitChain {
  /** In a deadlock the last one waits for the lock of the first one. */
  kind: 'deadlock' | 'chain'
  links: ChainLink[]
  /** How many waiters the last lock of a chain blocks; of a deadlock, how many wait for it, or `null` if its locks are
   * not among those that were read. */
  blocked: number | null
}

/** Identifies a chain across updates. */
export function chainKey({ kind, links }: WaitChain): string {
  return JSON.stringify([kind, kind === 'chain' ? links.at(-1) : links])
}

/** Possible deadlocks first, then one chain for each lock that blocks others through a holder. */
export function findChains({ locks, possible_deadlocks }: WaitGraph): WaitChain[] {
  const known = new Map(locks.map((lock) => [lock.resource, lock]))
  const deadlocks = possible_deadlocks.map(({ holders }): WaitChain => {
    const links = holders.map(({ resource, owner, fencing_token }) => ({
      resource,
      owner,
      fencingToken: fencing_token,
    }))
    const blocked = Math.max(0, ...links.map(({ resource }) => known.get(resource)?.blocked ?? 0))
    return { kind: 'deadlock', links, blocked: blocked || null }
  })
  const deadlocked = new Set(deadlocks.flatMap(({ links }) => links.map(({ resource }) => resource)))
  const chains = new Map<string, WaitChain>()
  for (const lock of locks) {
    const links = follow(lock, known, deadlocked)
    const root = known.get(links.at(-1)?.resource ?? '')
    if (!root || links.length < 2) continue
    const longest = chains.get(root.resource)
    if (!longest || links.length > longest.links.length)
      chains.set(root.resource, { kind: 'chain', links, blocked: root.blocked })
  }
  return [...deadlocks, ...[...chains.values()].sort((a, b) => (b.blocked ?? 0) - (a.blocked ?? 0))]
}

/** From a lock to what blocks it, up to a lock whose holders go on or are in a deadlock. */
function follow(
  from: BlockedLock,
  known: ReadonlyMap<string, BlockedLock>,
  deadlocked: ReadonlySet<string>,
): ChainLink[] {
  const links: ChainLink[] = []
  const seen = new Set<string>()
  let lock: BlockedLock | undefined = from
  while (lock && !seen.has(lock.resource)) {
    seen.add(lock.resource)
    const waiting: Blocker | undefined = lock.holders.find(({ waits_for }) => typeof waits_for === 'string')
    const holder = waiting ?? lock.holders[0]
    if (!holder) break
    links.push({ resource: lock.resource, owner: holder.owner, fencingToken: holder.fencing_token })
    if (deadlocked.has(lock.resource)) break
    lock = waiting?.waits_for ? known.get(waiting.waits_for) : undefined
  }
  // Within a deadlock nothing is added to what is said of it.
  return deadlocked.has(from.resource) ? [] : links
}
