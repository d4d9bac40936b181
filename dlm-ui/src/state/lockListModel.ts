// The rows of a lock list: the pages that were loaded, updated by the events since the first page. Pages and events are
// joined by the version of each row. The model does no I/O and renders nothing; a reload starts with a new model.
import type { LockEvent, LockStatus, Renewal, StateFilter } from '../api/types'
import { applyEvent, applyRenewal, failsFilter, matchesFilter, mergeStatus, rowFromEvent } from './rows'
import { comparator, reorder, type Sort } from './sort'

export class LockListModel {
  #rows = new Map<string, LockStatus>()
  /** Rows added, removed or updated since the last call to `sorted` or `reordered`. */
  #changed = new Map<string, LockStatus>()
  /** The names of the rows that `sorted` or `reordered` returned last. */
  #shown = new Set<string>()
  /** Events of locks whose page may not be loaded yet. */
  #early: LockEvent[] = []
  /** Names of rows that have to be fetched. */
  #incomplete = new Set<string>()
  /** Fetches in flight, each with the events that arrived since it started. */
  #fetches = new Map<string, LockEvent[]>()
  #complete = false
  #truncated = false

  constructor(readonly filter: StateFilter) {}

  get size(): number {
    return this.#rows.size
  }

  /** Whether all pages are loaded. */
  get complete(): boolean {
    return this.#complete
  }

  get hasChanges(): boolean {
    return this.#changed.size > 0
  }

  /** How many rows an update in place leaves out, and how many it keeps that are gone. */
  get heldBack(): { added: number; gone: number } {
    let [added, gone] = [0, 0]
    for (const name of this.#changed.keys()) {
      if (this.#rows.has(name) && !this.#shown.has(name)) added += 1
      if (!this.#rows.has(name) && this.#shown.has(name)) gone += 1
    }
    return { added, gone }
  }

  addPage(page: readonly LockStatus[]): void {
    for (const fetched of page) {
      const row = mergeStatus(this.#rows.get(fetched.resource), fetched)
      this.#rows.set(row.resource, row)
      this.#changed.set(row.resource, row)
    }
  }

  /**
   * Keeps the rows of a previous load that may have been between two holders when their page was read, which then left
   * them out. They are fetched, to be sure.
   */
  keepHandedOver(previous: LockListModel): void {
    if (this.filter !== 'held') return
    for (const row of previous.#rows.values()) {
      if (row.queue_len === 0 || this.#rows.has(row.resource)) continue
      this.#rows.set(row.resource, row)
      this.#changed.set(row.resource, row)
      this.#incomplete.add(row.resource)
    }
  }

  /**
   * Ends loading and applies the events of locks that were on no page. A truncated list ignores locks that it does not
   * contain: they may belong to a page that was not loaded.
   */
  finishLoading({ truncated }: { truncated: boolean }): void {
    this.#complete = true
    this.#truncated = truncated
    const early = this.#early
    this.#early = []
    for (const event of early) this.applyEvent(event)
  }

  applyEvent(event: LockEvent): void {
    this.#fetches.get(event.resource)?.push(event)
    // A row that was removed and not yet redrawn is kept in `#changed`, so that its version is still known.
    const row = this.#rows.get(event.resource) ?? this.#changed.get(event.resource)
    if (row) {
      const applied = applyEvent(row, event)
      if (!applied) return
      this.#put(applied.row)
      if (applied.incomplete) this.#incomplete.add(event.resource)
    } else if (!this.#complete) {
      this.#early.push(event)
    } else if (this.#truncated) {
      return
    } else if (failsFilter(event, this.filter)) {
      this.#incomplete.delete(event.resource)
    } else {
      const created = rowFromEvent(event)
      if (created) this.#put(created)
      else this.#incomplete.add(event.resource)
    }
  }

  applyRenewal(renewal: Renewal): void {
    const row = this.#rows.get(renewal.resource)
    const renewed = row && applyRenewal(row, renewal)
    if (renewed) this.#put(renewed)
  }

  /** Marks a row as incomplete, so that it is fetched. */
  invalidate(name: string): void {
    this.#incomplete.add(name)
  }

  /**
   * The next incomplete rows to fetch, visible ones first, so that at most `maxInFlight` fetches are in flight. The
   * caller reports the result of each with `finishFetch` or `failFetch`.
   */
  startFetches(visible: readonly string[], maxInFlight: number): string[] {
    const visibleFirst = new Set([
      ...visible.filter((name) => this.#incomplete.has(name)),
      ...this.#incomplete,
    ])
    const started: string[] = []
    for (const name of visibleFirst) {
      if (this.#fetches.size >= maxInFlight) break
      if (this.#fetches.has(name)) continue
      this.#fetches.set(name, [])
      this.#incomplete.delete(name)
      started.push(name)
    }
    return started
  }

  /** Applies a fetched status, then the events that arrived during the fetch: the status may or may not include them. */
  finishFetch(name: string, fetched: LockStatus): void {
    const missed = this.#fetches.get(name) ?? []
    this.#fetches.delete(name)
    this.#put({ ...mergeStatus(this.#rows.get(name), fetched), waiters: [] })
    for (const event of missed) this.applyEvent(event)
  }

  failFetch(name: string, retry: boolean): void {
    this.#fetches.delete(name)
    if (retry) this.#incomplete.add(name)
  }

  /** All rows, sorted. */
  sorted(sort: Sort): LockStatus[] {
    this.#changed = new Map()
    this.#shown = new Set(this.#rows.keys())
    return [...this.#rows.values()].sort(comparator(sort))
  }

  /** A sorted list with the changes applied. */
  reordered(ordered: readonly LockStatus[], sort: Sort): LockStatus[] {
    const result = reorder(ordered, this.#changed, this.#rows, sort)
    for (const name of this.#changed.keys()) {
      if (this.#rows.has(name)) this.#shown.add(name)
      else this.#shown.delete(name)
    }
    this.#changed = new Map()
    return result
  }

  /** The same rows at the same places with their updates. Additions and removals stay pending. */
  updatedInPlace(ordered: readonly LockStatus[]): LockStatus[] {
    return ordered.map((row) => this.#changed.get(row.resource) ?? row)
  }

  #put(row: LockStatus): void {
    if (matchesFilter(row, this.filter)) {
      this.#rows.set(row.resource, row)
    } else {
      this.#rows.delete(row.resource)
      this.#incomplete.delete(row.resource)
    }
    this.#changed.set(row.resource, row)
  }
}
