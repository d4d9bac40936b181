// A list of locks that follows what happens: the pages of the list first, then the events since its first page, joined
// by the rows' versions.
import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, passes, type ApiError } from '../api/client'
import type { LockEvent, LockStatus, StateFilter, StreamMessage } from '../api/types'
import { comparator, reorder, type Sort } from '../state/order'
import { applyEvent, applyRenewal, leavesOut, matches, newer, rowOf } from '../state/rows'
import { useConnection } from '../stores/connection'
import { useEventStream } from './useEventStream'
import { useRetry } from './useRetry'

const FIRST_PAGE = 200
const PAGE = 1000
/** Beyond this many rows nobody reads a list; a prefix finds more. */
const MOST_ROWS = 200_000
/** Rows that are asked for anew at a time, and how often more are. */
const REFRESH_AT_ONCE = 8
const REFRESH_EVERY_MS = 200
/** A list that is reloaded since too much happens is reloaded this often. */
const RELOAD_MS = 3_000

export interface ListOptions {
  prefix: Ref<string>
  filter: Ref<StateFilter>
  sort: Ref<Sort>
  /** While true, rows of a complete list change in place but keep their places: somebody points at them. */
  still: Ref<boolean>
  /** The names that somebody sees; of what has to be asked for, these are first. */
  inSight: Ref<readonly string[]>
}

export function useLockList({ prefix, filter, sort, still, inSight }: ListOptions) {
  const connection = useConnection()
  /** The rows in order; replaced as a whole. */
  const ordered = shallowRef<LockStatus[]>([])
  const loaded = ref(false)
  const complete = ref(false)
  const cut = ref(false)
  const refused = ref<string | null>(null)

  let rows = new Map<string, LockStatus>()
  let early: LockEvent[] = []
  /** What came, went or changed since the last drawing, as it is now. */
  let touched = new Map<string, LockStatus>()
  let incomplete = new Set<string>()
  /** What is being asked for, and what was heard of it since. Another load has another one. */
  let asking = new Map<string, LockEvent[]>()
  /** A list that is loaded again is shown as it was until all of it is there. */
  let unseen = false
  let drawing: ReturnType<typeof setTimeout> | undefined
  let reloading: ReturnType<typeof setTimeout> | undefined

  const { load } = useRetry((error: ApiError) => {
    refused.value = error.message
    rows = new Map()
    ordered.value = []
    loaded.value = true
  })
  const stream = useEventStream(() => ({ prefix: prefix.value, renewals: true }), {
    messages: take,
    gap: (why) => {
      if (why === 'cursor-lost') {
        connection.notice =
          'The server no longer had the events since the last look; the list was loaded anew.'
        reload(true)
      } else {
        connection.fallBehind(
          'Too much happens to show each change; the list is loaded anew every few seconds.',
        )
        reloading = setTimeout(() => reload(true), RELOAD_MS)
      }
    },
  })

  /** Loads the list; what is shown stays until the first page is there, or all of it where it is the same list. */
  function reload(same: boolean): void {
    clearTimeout(reloading)
    stream.stop()
    void load(async (signal) => {
      let page = await api.list(prefix.value, filter.value, FIRST_PAGE, null, signal)
      rows = new Map()
      early = []
      touched = new Map()
      incomplete = new Set()
      asking = new Map()
      refused.value = null
      cut.value = false
      complete.value = false
      unseen = same
      add(page.locks)
      if (!unseen) showAll()
      loaded.value = true
      stream.start(page.cursor)
      while (page.next !== null && page.next !== undefined) {
        if (rows.size >= MOST_ROWS) {
          cut.value = true
          break
        }
        page = await api.list(prefix.value, filter.value, PAGE, page.next, signal)
        add(page.locks)
        for (const row of page.locks) touched.set(row.resource, row)
        draw()
      }
      // Rows that somebody points at keep their places only from here on.
      if (unseen) showAll()
      else arrange()
      unseen = false
      complete.value = true
      const missed = early
      early = []
      for (const event of missed) follow(event)
      draw()
    })
  }

  function add(page: readonly LockStatus[]): void {
    for (const row of page) rows.set(row.resource, newer(rows.get(row.resource), row))
  }

  function take(batch: StreamMessage[]): void {
    for (const message of batch) {
      if (message.type === 'event') follow(message)
      else if (message.type === 'renewed') {
        const row = rows.get(message.resource)
        const next = row && applyRenewal(row, message)
        if (next) put(next)
      }
    }
    if (touched.size > 0) draw()
  }

  function follow(event: LockEvent): void {
    asking.get(event.resource)?.push(event)
    // One that was released and granted again in a moment is not a new one.
    const row = rows.get(event.resource) ?? touched.get(event.resource)
    if (row) {
      const applied = applyEvent(row, event)
      if (!applied) return
      put(applied.row)
      if (applied.incomplete) incomplete.add(event.resource)
    } else if (!complete.value) {
      // Its page may still come, perhaps with this event in it.
      early.push(event)
    } else if (cut.value) {
      return
    } else if (leavesOut(event, filter.value)) {
      incomplete.delete(event.resource)
    } else {
      const made = rowOf(event)
      if (made) put(made)
      else incomplete.add(event.resource)
    }
  }

  function put(row: LockStatus): void {
    if (matches(row, filter.value)) rows.set(row.resource, row)
    else {
      rows.delete(row.resource)
      incomplete.delete(row.resource)
    }
    touched.set(row.resource, row)
  }

  function showAll(): void {
    touched = new Map()
    ordered.value = [...rows.values()].sort(comparator(sort.value))
  }

  function arrange(): void {
    ordered.value = reorder(ordered.value, touched, rows, sort.value)
    touched = new Map()
  }

  /** Draws soon; less often when it takes long. */
  let drawCost = 0
  function draw(): void {
    drawing ??= setTimeout(
      () => {
        drawing = undefined
        if (unseen) return
        const before = performance.now()
        if (still.value && complete.value) {
          ordered.value = inPlace()
        } else {
          arrange()
        }
        drawCost = performance.now() - before
      },
      Math.max(16, drawCost * 10),
    )
  }

  /** Rows change where they are; those that should go stay, those that came wait. */
  function inPlace(): LockStatus[] {
    return ordered.value.map((row) => touched.get(row.resource) ?? row)
  }

  function askForMore(): void {
    if (incomplete.size === 0 || document.hidden || connection.link === 'away') return
    const seen = inSight.value.filter((name) => incomplete.has(name))
    for (const name of new Set([...seen, ...incomplete])) {
      if (asking.size >= REFRESH_AT_ONCE) return
      if (!asking.has(name)) void ask(name)
    }
  }

  async function ask(name: string): Promise<void> {
    const mine = asking
    const heard: LockEvent[] = []
    mine.set(name, heard)
    incomplete.delete(name)
    try {
      const answer = await api.status(name)
      // Another load took the place of what this is about.
      if (mine !== asking) return
      mine.delete(name)
      put({ ...newer(rows.get(name), answer), waiters: [] })
      // A busy lock has changed again before it is answered.
      for (const event of heard) follow(event)
      if (touched.size > 0) draw()
    } catch (error) {
      if (passes(error)) incomplete.add(name)
    } finally {
      mine.delete(name)
    }
  }

  /** Asks for a row anew, such as one whose time seems to be up. */
  function doubt(name: string): void {
    incomplete.add(name)
  }

  const refreshing = setInterval(askForMore, REFRESH_EVERY_MS)
  watch([prefix, filter], () => reload(false))
  watch(sort, () => {
    if (!unseen) showAll()
  })
  watch(still, (now) => {
    if (!now && touched.size > 0) draw()
  })
  onScopeDispose(() => {
    clearInterval(refreshing)
    clearTimeout(drawing)
    clearTimeout(reloading)
  })
  reload(false)

  return { ordered, loaded, complete, cut, refused, doubt }
}
