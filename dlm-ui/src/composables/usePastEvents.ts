// The events up to an instant, the newest first.
import { computed, ref, shallowRef, watch } from 'vue'
import { api, ApiError, UnreachableError, type EventsFilter } from '../api/client'
import type { EventPage, LockEvent } from '../api/types'
import { useConnection } from '../stores/connection'
import { useRetry } from './useRetry'

/** The events that are loaded at first, and with each further step back. */
const PAGE = 100
/** More rows make the page slow. A filter leads further back. */
const MAX_SHOWN = 2_000

export interface PastEventsOptions {
  filter: () => EventsFilter
  /** The instant; `null` while it is not known. */
  until: () => string | null
  /** The number of events to load at first. */
  page?: number
}

export type PastEvents = ReturnType<typeof usePastEvents>

export function usePastEvents({ filter, until, page: firstPage = PAGE }: PastEventsOptions) {
  const connection = useConnection()
  /** Those of the instant before stay until the others are loaded. */
  const events = shallowRef<readonly LockEvent[]>([])
  /** The instant up to which they were loaded; `null` if they were not. */
  const loadedUntil = ref<string | null>(null)
  const error = shallowRef<ApiError | null>(null)
  /** Where the search for older events goes on; `null` if the log has none. */
  const start = ref<string | null>(null)
  /** The instant down to which the log was searched, if there may be older events. */
  const searchedFrom = ref<string | null>(null)
  const loadingOlder = ref(false)
  /** Grows with each load. Older events of the list before are dropped. */
  let generation = 0

  const { load } = useRetry((failure: ApiError) => {
    error.value = failure
    clear()
  })

  function clear(): void {
    events.value = []
    loadedUntil.value = null
  }

  /** Before the millisecond after the instant, as the server counts for the state at it, and before any other end. */
  function bounded(instant: string): EventsFilter {
    const asked = filter()
    const end = new Date(Date.parse(instant) + 1).toISOString()
    return { ...asked, to: asked.to && Date.parse(asked.to) < Date.parse(end) ? asked.to : end }
  }

  function read(): void {
    generation += 1
    const instant = until()
    if (instant === null) {
      clear()
      return
    }
    void load(async (signal) => {
      const page = await api.newestEvents(bounded(instant), firstPage, signal)
      connection.setStatus('idle')
      events.value = page.events.reverse()
      reachBack(page)
      loadedUntil.value = instant
      error.value = null
    })
  }

  function reachBack(page: EventPage): void {
    start.value = page.start ?? null
    searchedFrom.value = page.searched_from ?? null
  }

  /** Loads a page of older events. */
  async function loadOlder(): Promise<void> {
    const [instant, before, began] = [loadedUntil.value, start.value, generation]
    if (instant === null || before === null || loadingOlder.value) return
    loadingOlder.value = true
    try {
      const page = await api.newestEvents({ ...bounded(instant), before }, PAGE)
      if (began !== generation) return
      events.value = [...events.value, ...page.events.reverse()]
      reachBack(page)
    } catch (failure) {
      if (!(failure instanceof ApiError) && !(failure instanceof UnreachableError)) throw failure
      connection.notice = `Older events could not be loaded: ${failure.message}`
    } finally {
      loadingOlder.value = false
    }
  }

  watch(() => JSON.stringify([until(), filter()]), read, { immediate: true })

  const full = computed(() => events.value.length >= MAX_SHOWN)
  const loaded = computed(() => loadedUntil.value !== null)
  return { events, loaded, loadedUntil, error, start, searchedFrom, full, loadingOlder, loadOlder }
}
