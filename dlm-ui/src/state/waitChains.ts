// Who waits for whom, over several locks.
import type { BlockedLock, Blocker, PastState, WaitGraph } from '../api/types'

/** A holder, and the lock that it holds. */
export interface ChainLink {
  resource: string
  owner: string
  fencingToken: number
  /** The number of waiters in its queue, or `null` if it is not among those that were read. */
  waiting: number | null
  /** How many waiters can't go on before the lock is released, or `null` if it is not among those that were read. */
  blocked: number | null
}

/** Each holder waits for the lock of the next one. */
export interface WaitChain {
  /** In a deadlock the last one waits for the lock of the first one. */
  kind: 'deadlock' | 'chain'
  links: ChainLink[]
  /** How many waiters the last lock of a chain blocks; of a deadlock, how many wait for it, or `null` if its locks are
   * not among those that were read. */
  blocked: number | null
  /** When the oldest wait for a lock of it or of its branches began; `null` if none of them was read. */
  since: string | null
  /** The number of branches that lead to the last lock of a chain and are not shown. */
  branches: number
}

/** A lock that others wait for, now or at an instant of the past. */
interface WaitedLock extends Pick<BlockedLock, 'resource' | 'queue_len' | 'blocked'> {
  oldest_enqueued_at?: string | null
  holders: readonly Pick<Blocker, 'owner' | 'fencing_token' | 'waits_for'>[]
}

interface Waits extends Pick<WaitGraph, 'possible_deadlocks'> {
  locks: readonly WaitedLock[]
}

/** Who waited for whom at an instant of the past. */
export function waitsAt({ locks, possible_deadlocks = [] }: PastState): Waits {
  const waitedFor = locks
    .filter(({ queue_len }) => queue_len > 0)
    .map(({ resource, queue_len, blocked = queue_len, holders, waiters }) => {
      return { resource, queue_len, blocked, holders, oldest_enqueued_at: waiters[0]?.enqueued_at }
    })
  return { locks: waitedFor, possible_deadlocks }
}

/** The locks that chains name. */
export function chainedLocks(chains: readonly WaitChain[]): Set<string> {
  return new Set(chains.flatMap(({ links }) => links.map(({ resource }) => resource)))
}

/** Identifies a chain across updates, whatever waits for it. */
export function chainKey({ kind, links }: WaitChain): string {
  const leases = (kind === 'chain' ? links.slice(-1) : links).map(({ resource, owner, fencingToken }) => [
    resource,
    owner,
    fencingToken,
  ])
  return JSON.stringify([kind, leases])
}

/** Possible deadlocks first, then the longest chain to each lock that blocks others through a holder. */
export function findChains({ locks, possible_deadlocks }: Waits): WaitChain[] {
  const known = new Map(locks.map((lock) => [lock.resource, lock]))
  const deadlocks = possible_deadlocks.map(({ holders }): WaitChain => {
    const links = holders.map(({ resource, owner, fencing_token }) => ({
      resource,
      owner,
      fencingToken: fencing_token,
      waiting: known.get(resource)?.queue_len ?? null,
      blocked: known.get(resource)?.blocked ?? null,
    }))
    const blocked = Math.max(0, ...links.map((link) => link.blocked ?? 0))
    return { kind: 'deadlock', links, blocked: blocked || null, since: oldestWait(links, known), branches: 0 }
  })
  const deadlocked = chainedLocks(deadlocks)
  /** By the lock that they lead to. */
  const paths = new Map<WaitedLock, ChainLink[][]>()
  for (const lock of locks) {
    const links = follow(lock, known, deadlocked)
    const root = known.get(links.at(-1)?.resource ?? '')
    if (!root || links.length < 2) continue
    const others = paths.get(root)
    if (others) others.push(links)
    else paths.set(root, [links])
  }
  const chains = [...paths].map(([root, leading]): WaitChain => {
    const links = longest(leading)
    const since = oldestWait(leading.flat(), known)
    return { kind: 'chain', links, blocked: root.blocked, since, branches: branchesBeside(links, leading) }
  })
  return [...deadlocks, ...chains.sort((a, b) => (b.blocked ?? 0) - (a.blocked ?? 0))]
}

function longest(paths: readonly ChainLink[][]): ChainLink[] {
  return paths.reduce((known, path) => (path.length > known.length ? path : known), [])
}

/** How many of the paths are neither part of the shown one nor of another. */
function branchesBeside(shown: readonly ChainLink[], paths: readonly ChainLink[][]): number {
  const covered = new Set(
    [...shown, ...paths.flatMap((path) => path.slice(1))].map(({ resource }) => resource),
  )
  return paths.filter(([first]) => first && !covered.has(first.resource)).length
}

function oldestWait(links: readonly ChainLink[], known: ReadonlyMap<string, WaitedLock>): string | null {
  const waits = links.flatMap(({ resource }) => known.get(resource)?.oldest_enqueued_at ?? [])
  return waits.reduce<string | null>(
    (oldest, at) => (oldest === null || Date.parse(at) < Date.parse(oldest) ? at : oldest),
    null,
  )
}

/** From a lock to what blocks it, up to a lock whose holders go on or are in a deadlock. */
function follow(
  from: WaitedLock,
  known: ReadonlyMap<string, WaitedLock>,
  deadlocked: ReadonlySet<string>,
): ChainLink[] {
  const links: ChainLink[] = []
  const seen = new Set<string>()
  let lock: WaitedLock | undefined = from
  while (lock && !seen.has(lock.resource)) {
    seen.add(lock.resource)
    const waiting: WaitedLock['holders'][number] | undefined = lock.holders.find(
      ({ waits_for }) => typeof waits_for === 'string',
    )
    const holder = waiting ?? lock.holders[0]
    if (!holder) break
    const { resource, blocked, queue_len } = lock
    const { owner, fencing_token } = holder
    links.push({ resource, owner, fencingToken: fencing_token, waiting: queue_len, blocked })
    if (deadlocked.has(lock.resource)) break
    lock = waiting?.waits_for ? known.get(waiting.waits_for) : undefined
  }
  // Within a deadlock nothing is added to what is said of it.
  return deadlocked.has(from.resource) ? [] : links
}
