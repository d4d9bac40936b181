// Finds leases, then force-releases those that were chosen, a few at a time, each guarded by its token.
import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { api, ApiError, UnreachableError } from '../api/client'
import { MAX_PAGE } from '../api/limits'
import type { LockStatus, OwnedLease } from '../api/types'
import { classifyFailure } from '../lib/forceReleaseFailure'
import { canBeSegment } from '../lib/ownerRoute'
import {
  addLeases,
  countOutcomes,
  targetKey,
  targetsOf,
  unlistedHolders,
  type Listed,
  type Outcome,
  type Target,
} from '../state/bulkRelease'

/** More than anyone reviews. A prefix narrows them down. */
export const MAX_TARGETS = 1_000
const MAX_PAGES = 20
const CONCURRENCY = 4

/** Which leases to find: those of these locks, or those that match. */
export type BulkSearch = { names: readonly string[] } | BulkFilter

export interface BulkFilter {
  prefix: string
  /** `null` for any owner. */
  owner: string | null
  /** Only leases of this principal; of all if it is absent. */
  principal?: string | null
}

interface Found extends Listed {
  /** Holders that neither the rows nor their owner's leases have. */
  unlisted: number
}

/** What is known of an owner or a principal. */
interface Own {
  holds: readonly OwnedLease[]
  /** These are all of its leases. */
  complete: boolean
}

export function useBulkRelease(may: (name: string) => boolean) {
  const targets = shallowRef<readonly Target[]>([])
  /** Leases that match and that the operator may not end. */
  const notAllowed = ref(0)
  /** Holders that the server did not list. */
  const unlisted = ref(0)
  /** Locks of a search by name that are not held. */
  const notHeld = ref(0)
  /** There may be more that match. */
  const truncated = ref(false)
  const searching = ref(false)
  const searched = ref(false)
  const failure = ref<string | null>(null)
  const outcomes = shallowRef<ReadonlyMap<string, Outcome>>(new Map())
  const running = ref(false)
  const stopping = ref(false)
  let search: AbortController | null = null
  let run = Promise.resolve()

  /** The dry run: what would be released now. */
  async function find(wanted: BulkSearch): Promise<void> {
    search?.abort()
    const controller = new AbortController()
    search = controller
    searching.value = true
    failure.value = null
    try {
      // What still runs is for what was asked for before.
      stopping.value = true
      await run
      if (controller.signal.aborted) return
      outcomes.value = new Map()
      const result =
        'names' in wanted
          ? await lookUp(wanted.names.filter(may), controller.signal)
          : await match(wanted, controller.signal)
      const { rows, found, more } = result
      const allowed = found.filter(({ resource }) => may(resource))
      const refused = 'names' in wanted ? wanted.names.length - rows.length : 0
      notAllowed.value = found.length - allowed.length + refused
      notHeld.value = rows.filter(({ holder_count }) => holder_count === 0).length
      unlisted.value = result.unlisted
      truncated.value = more || allowed.length > MAX_TARGETS
      targets.value = allowed.slice(0, MAX_TARGETS)
      searched.value = true
    } catch (error) {
      if (controller.signal.aborted) return
      if (!(error instanceof ApiError) && !(error instanceof UnreachableError)) throw error
      failure.value = error.message
    } finally {
      if (search === controller) searching.value = false
    }
  }

  async function list({ prefix, owner, principal = null }: BulkFilter, signal: AbortSignal): Promise<Found> {
    const rows: LockStatus[] = []
    let after: string | null = null
    let found: Target[] = []
    for (let page = 0; page < MAX_PAGES && found.length <= MAX_TARGETS; page += 1) {
      const { locks, next } = await api.list(prefix, 'held', MAX_PAGE, after, signal)
      rows.push(...locks)
      found = targetsOf(rows, owner, principal)
      after = next ?? null
      if (after === null) break
    }
    return { rows, found, unlisted: unlistedHolders(rows), more: after !== null }
  }

  /** The rows say how many wait, and list the first holders. What an owner holds beyond these, only itself says. */
  async function match(wanted: BulkFilter, signal: AbortSignal): Promise<Found> {
    const [listed, own] = await Promise.all([list(wanted, signal), ownLeases(wanted, signal)])
    if (!own) return listed
    const leases = own.holds.filter(({ resource }) => resource.startsWith(wanted.prefix))
    const found = addLeases(listed, leases)
    if (own.complete) return { ...listed, found, unlisted: 0, more: false }
    const added = found.length - listed.found.length
    return { ...listed, found, unlisted: Math.max(0, listed.unlisted - added) }
  }

  /** What the owner, or else the principal, holds; `null` if none was given or the server has no address of it. */
  async function ownLeases({ owner, principal }: BulkFilter, signal: AbortSignal): Promise<Own | null> {
    const of = owner ?? principal ?? null
    if (of === null || !canBeSegment(of)) return null
    return owner === null ? api.principal(of, signal) : api.owner(of, principal ?? null, signal)
  }

  /** Each lock by its name: the server lists names by their start only. */
  async function lookUp(names: readonly string[], signal: AbortSignal): Promise<Found> {
    const rows: LockStatus[] = []
    for (let at = 0; at < names.length; at += CONCURRENCY) {
      const some = names.slice(at, at + CONCURRENCY)
      rows.push(...(await Promise.all(some.map((name) => api.status(name, signal)))))
    }
    return { rows, found: targetsOf(rows, null), unlisted: unlistedHolders(rows), more: false }
  }

  /** Releases these, one after another in each of a few lanes. */
  async function release(chosen: readonly Target[], reason: string): Promise<void> {
    if (running.value) return
    run = releaseAll(chosen, reason)
    await run
  }

  async function releaseAll(chosen: readonly Target[], reason: string): Promise<void> {
    running.value = true
    stopping.value = false
    const queue = [...chosen]
    outcomes.value = new Map([
      ...outcomes.value,
      ...queue.map((target) => [targetKey(target), 'waiting'] as const),
    ])
    const lane = async () => {
      while (!stopping.value) {
        const target = queue.shift()
        if (!target) return
        await releaseOne(target, reason)
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, lane))
    const left = new Map(outcomes.value)
    for (const target of queue) left.delete(targetKey(target))
    outcomes.value = left
    running.value = false
  }

  async function releaseOne(target: Target, reason: string): Promise<void> {
    record(target, 'sending')
    try {
      await api.forceRelease(target.resource, target.token, reason)
      record(target, 'released')
    } catch (error) {
      record(target, classifyFailure(error))
    }
  }

  function record(target: Target, outcome: Outcome): void {
    outcomes.value = new Map(outcomes.value).set(targetKey(target), outcome)
  }

  onScopeDispose(() => {
    // What is not yet sent is not.
    stopping.value = true
    search?.abort()
  })

  return {
    targets,
    notAllowed,
    unlisted,
    notHeld,
    truncated,
    searching,
    searched,
    failure,
    outcomes,
    running,
    counts: computed(() => countOutcomes(outcomes.value.values())),
    find,
    release,
    stop: () => (stopping.value = true),
  }
}
