// A list of locks that follows what happens: the pages of the list first, then the events since its first page, joined
// by the rows' versions.
import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, type ApiError } from '../api/client'
import type { LockEvent, LockStatus, StateFilter, StreamMessage } from '../api/types'
import { comparator, reorder, type Sort } from '../state/order'
import { applyEvent, applyRenewal, matches, rowOf } from '../state/rows'
import { useConnection } from '../stores/connection'
import { useEventStream } from './useEventStream'
import { useRetry } from './useRetry'

const FIRST_PAGE = 200
const PAGE = 1000
/** Beyond this many rows nobody reads a list; a prefix finds more. */
const MOST_ROWS = 200_000
/** Rows that are asked for anew at a time, and between two such rounds. */
const REFRESH_AT_ONCE = 8
const REFRESH_EVERY_MS = 200
/** A list that is reloaded since too much happens is reloaded this often. */
const RELOAD_MS = 3_000

export interface ListOptions {
  prefix: Ref<string>
  filter: Ref<StateFilter>
  sort: Ref<Sort>
  /** While true, rows change in place but keep their places: somebody points at them. */
  still: Ref<boolean>
}

export function useLockList({ prefix, filter, sort, still }: ListOptions) {
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
  let drawing: ReturnType<typeof setTimeout> | undefined
  let reloading: ReturnType<typeof setTimeout> | undefined

  const { load } = useRetry((error: ApiError) => {
    refused.value = error.message
    loaded.value = true
  })
  const stream = useEventStream(() => ({ prefix: prefix.value, renewals: true }), {
    messages: take,
    gap: (why) => {
      if (why === 'cursor-lost') {
        connection.notice =
          'The server no longer had the events since the last look; the list was loaded anew.'
        reload()
      } else {
        connection.notice = 'Too much happens to show each change; the list is loaded anew every few seconds.'
        reloading = setTimeout(reload, RELOAD_MS)
      }
    },
  })

  /** Loads the list; what is shown stays until the first page is there. */
  function reload(): void {
    clearTimeout(reloading)
    stream.stop()
    void load(async (signal) => {
      const fresh = new Map<string, LockStatus>()
      let page = await api.list(prefix.value, filter.value, FIRST_PAGE, null, signal)
      rows = fresh
      early = []
      touched = new Map()
      incomplete = new Set()
      refused.value = null
      cut.value = false
      complete.value = false
      add(page.locks)
      ordered.value = [...rows.values()].sort(comparator(sort.value))
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
      complete.value = true
      const missed = early
      early = []
      for (const event of missed) follow(event)
      draw()
    })
  }

  function add(page: readonly LockStatus[]): void {
    for (const row of page) rows.set(row.resource, row)
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
    const row = rows.get(event.resource)
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
    } else {
      const made = rowOf(event)
      if (made) put(made)
      else incomplete.add(event.resource)
    }
  }

  function put(row: LockStatus): void {
    if (matches(row, filter.value)) rows.set(row.resource, row)
    else rows.delete(row.resource)
    touched.set(row.resource, row)
  }

  /** Draws soon; less often when it takes long. */
  let drawCost = 0
  function draw(): void {
    drawing ??= setTimeout(
      () => {
        drawing = undefined
        const before = performance.now()
        ordered.value = still.value ? inPlace() : reorder(ordered.value, touched, rows, sort.value)
        if (!still.value) touched = new Map()
        drawCost = performance.now() - before
      },
      Math.max(16, drawCost * 10),
    )
  }

  /** Rows change where they are; those that should go stay, those that came wait. */
  function inPlace(): LockStatus[] {
    return ordered.value.map((row) => touched.get(row.resource) ?? row)
  }

  async function refresh(): Promise<void> {
    const names = [...incomplete].slice(0, REFRESH_AT_ONCE)
    for (const name of names) incomplete.delete(name)
    const answers = await Promise.allSettled(names.map((name) => api.status(name)))
    for (const answer of answers) {
      if (answer.status !== 'fulfilled') continue
      const known = rows.get(answer.value.resource)
      if (!known || known.version <= answer.value.version) put({ ...answer.value, waiters: [] })
    }
    if (touched.size > 0) draw()
  }

  /** Asks for a row anew, such as one whose time seems to be up. */
  function doubt(name: string): void {
    incomplete.add(name)
  }

  const refreshing = setInterval(() => {
    if (incomplete.size > 0 && !document.hidden) void refresh()
  }, REFRESH_EVERY_MS)
  watch([prefix, filter], reload)
  watch(sort, () => {
    touched = new Map()
    ordered.value = [...rows.values()].sort(comparator(sort.value))
  })
  watch(still, (now) => {
    if (!now && touched.size > 0) draw()
  })
  onScopeDispose(() => {
    clearInterval(refreshing)
    clearTimeout(drawing)
    clearTimeout(reloading)
  })
  reload()

  return { ordered, loaded, complete, cut, refused, doubt }
}
