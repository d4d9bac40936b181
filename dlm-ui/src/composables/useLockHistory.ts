// The events of one lock for the part of the time axis that is looked at. Older ones are loaded page by page.
import { onScopeDispose, ref, shallowRef, type Ref } from 'vue'
import { api, ApiError, retryable, UnreachableError } from '../api/client'
import { MAX_PAGE } from '../api/limits'
import type { EventPage, LockEvent } from '../api/types'
import {
  nextRequest,
  NOTHING,
  prepare,
  reachesBack,
  shownBlock,
  withArrived,
  withPage,
  type EventBlock,
  type Loaded,
  type LookedAt,
  type PageRequest,
} from '../state/lockHistory'
import { useConnection } from '../stores/connection'

/** Before each request. A drag asks for many windows, and what arrives must be shown in between. */
const PAUSE_MS = 60
const RETRY_MS = 5_000
/** So many pages without an event, one after another: what is searched are the events of a time not looked at. */
const MAX_EMPTY_PAGES = 20

/** Why events of the window are missing; `null` if none are, or the log no longer has them. */
export type Missing = 'loading' | 'too-many' | 'failed' | null

export interface LockHistory {
  /** What to show. It may reach further than the window, or not as far. */
  shown: Readonly<Ref<EventBlock>>
  missing: Readonly<Ref<Missing>>
  /** Loads what is missing of a window; of `null`, nothing. */
  look: (window: LookedAt | null) => void
}

export function useLockHistory(name: Ref<string>) {
  const connection = useConnection()
  const shown = shallowRef<EventBlock>(NOTHING)
  const missing = ref<Missing>(null)
  let loaded: Loaded = { recent: NOTHING, past: null }
  let window: LookedAt | null = null
  let inFlight: { key: string; controller: AbortController } | null = null
  let emptyPages = 0
  /** The request that failed, until it is tried again. */
  let failed: string | null = null
  let retryTimer: ReturnType<typeof setTimeout> | undefined

  /** Starts anew with the newest events. */
  function restart(page: Pick<EventPage, 'events' | 'start'>): void {
    stop()
    loaded = { recent: { events: page.events, start: page.start ?? null, until: null }, past: null }
    update()
  }

  /** Forgets everything. */
  function clear(): void {
    stop()
    loaded = { recent: NOTHING, past: null }
    update()
  }

  /** Adds events that arrived. */
  function append(arrived: readonly LockEvent[]): void {
    loaded = { ...loaded, recent: withArrived(loaded.recent, arrived) }
    publish()
  }

  function look(next: LookedAt | null): void {
    const isStep = window?.live === true && next?.live === true
    window = next
    if (next && !next.live) emptyPages = 0
    request()
    // A step of time changes nothing of what is loaded.
    if (!isStep) publish()
  }

  function update(): void {
    request()
    publish()
  }

  /** Requests what is missing of the window. */
  function request(): void {
    if (window) loaded = prepare(window, loaded, connection.asOf)
    const next = window && nextRequest(window, loaded, connection.asOf)
    const key = next && JSON.stringify(next)
    if (next?.fresh) emptyPages = 0
    const mayLoad = next && key !== failed && emptyPages < MAX_EMPTY_PAGES
    if (key !== inFlight?.key) {
      inFlight?.controller.abort()
      inFlight = null
      if (mayLoad && key) void load(next, key)
    }
    missing.value = whatIsMissing(key)
  }

  function whatIsMissing(key: string | null): Missing {
    if (inFlight) return 'loading'
    if (key !== null && key === failed) return 'failed'
    const block = window && shownBlock(window, loaded, connection.asOf)
    return block && window && !reachesBack(block, window.from) ? 'too-many' : null
  }

  function publish(): void {
    shown.value = window ? shownBlock(window, loaded, connection.asOf) : loaded.recent
  }

  async function load(request: PageRequest, key: string): Promise<void> {
    const controller = new AbortController()
    const { signal } = controller
    inFlight = { key, controller }
    try {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      if (signal.aborted) return
      const to = request.to === null ? '' : new Date(request.to).toISOString()
      const filter = { resource: name.value, before: request.before ?? '', to }
      const page = await api.newestEvents(filter, MAX_PAGE, signal)
      if (signal.aborted) return
      emptyPages = page.events.length === 0 ? emptyPages + 1 : 0
      loaded = withPage(loaded, request, page)
    } catch (failure) {
      if (signal.aborted) return
      if (!(failure instanceof ApiError) && !(failure instanceof UnreachableError)) throw failure
      failed = key
      clearTimeout(retryTimer)
      if (retryable(failure)) retryTimer = setTimeout(retry, RETRY_MS)
    }
    inFlight = null
    update()
  }

  function retry(): void {
    failed = null
    update()
  }

  function stop(): void {
    inFlight?.controller.abort()
    inFlight = null
    failed = null
    emptyPages = 0
    clearTimeout(retryTimer)
  }

  onScopeDispose(stop)
  return { shown, missing, look, restart, clear, append }
}
