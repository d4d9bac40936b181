// The tail of the event log as a live list: the newest events first.
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, ApiError, UnreachableError, type EventsFilter } from '../api/client'
import type { Gap } from '../api/eventSocket'
import { MAX_PAGE } from '../api/limits'
import type { EventPage, LockEvent, StreamMessage } from '../api/types'
import { renderCost } from '../lib/renderCost'
import { passes } from '../state/eventFilter'
import { useConnection } from '../stores/connection'
import { usePageMemory } from '../stores/pageMemory'
import { useEventStream } from './useEventStream'
import { useRetry } from './useRetry'

/** The events that are loaded at first, and with each further step back. */
const PAGE = 200
const MAX_SHOWN = 500
/** More rows make the page slow. A filter leads further back. */
const MAX_SHOWN_WITH_OLDER = 2_000
/** Beyond this many events, a paused list stops buffering; on resume the stream restarts from the cursor instead. */
const MAX_BUFFERED = 1_000
const DRAW_INTERVAL_MS = 150
/** The interval while events arrive so fast that each draw replaces the list. */
const REPLACE_INTERVAL_MS = 500
/** The pause after a draw, as a multiple of its duration, so that incoming events are still processed. */
const DRAW_COST_FACTOR = 8
/** More new events in one draw replace the list: nobody reads them in passing, and to render all would take long. */
const MAX_DRAWN = 50
/** A draw adds and removes no more rows than these in a frame: more would be a long task. */
const ROWS_ADDED = 15
const ROWS_REMOVED = 50
/** The interval between reloads while events arrive too fast. */
const RELOAD_INTERVAL_MS = 2_000

export interface EventTailOptions {
  filter: () => EventsFilter
  paused: Ref<boolean>
}

export function useEventTail({ filter, paused }: EventTailOptions) {
  const connection = useConnection()
  /** Newest first. */
  const events = shallowRef<LockEvent[]>([])
  /** The number of events shown since the list was loaded. */
  const receivedCount = ref(0)
  const loaded = ref(false)
  const error = shallowRef<ApiError | null>(null)
  /** The number of events received while paused. */
  const bufferedCount = ref(0)
  let buffered: LockEvent[] = []
  let undrawn: LockEvent[] = []
  /** How many arrived since the last draw: not all of them are kept. */
  let undrawnCount = 0
  /** The next draw, or the current one. */
  let drawTimer: ReturnType<typeof setTimeout> | undefined
  let reloadTimer: ReturnType<typeof setTimeout> | undefined
  let drawnAt = Number.NEGATIVE_INFINITY
  let nextDrawAt = Number.NEGATIVE_INFINITY
  let resumeCursor: string | null = null
  /** The stream ended with a gap while paused. */
  let gapWhilePaused = false

  /** Where the search for older events goes on; `null` if the log has none. */
  const start = ref<string | null>(null)
  /** The instant down to which the log was searched, if there may be older events. */
  const searchedFrom = ref<string | null>(null)
  const loadingOlder = ref(false)
  /** As many as there were, if the page is shown again. Later loads start with one page. */
  let firstPage = Math.max(PAGE, usePageMemory().part('events', () => events.value.length) ?? 0)
  let maxShown = MAX_SHOWN
  let isLive = false
  /** What arrived during a pause is shown, however much it is. */
  let catchingUp = false
  /** Grows with each reload. Older events of the list before are dropped. */
  let generation = 0

  const { load } = useRetry((failure: ApiError) => {
    error.value = failure
    events.value = []
    loaded.value = true
  })
  const stream = useEventStream(
    () => {
      const { prefix = '', resource = '' } = filter()
      return { prefix, resource }
    },
    {
      messages: handleMessages,
      state: (state) => {
        isLive = state === 'live'
        if (state === 'live' && paused.value) connection.setStatus('paused')
      },
      gap: handleGap,
    },
  )

  function reload(): void {
    loadList(async (signal) => {
      const page = await api.newestEvents(filter(), Math.min(MAX_PAGE, firstPage), signal)
      firstPage = PAGE
      events.value = page.events.reverse()
      return page
    })
  }

  /** Replaces the list by the newest events, which is done again and again while too many arrive. */
  function reloadNewest(): void {
    loadList(async (signal) => {
      const page = await api.newestEvents(filter(), MAX_DRAWN, signal)
      const shown = new Set(events.value.map(({ cursor }) => cursor))
      const added = page.events.filter(({ cursor }) => !shown.has(cursor))
      await drawRows(added, () => page.events.length)
      return page
    })
  }

  function loadList(fetchList: (signal: AbortSignal) => Promise<EventPage>): void {
    clearTimeout(reloadTimer)
    stream.stop()
    clearBuffer()
    takeUndrawn()
    gapWhilePaused = false
    generation += 1
    const began = generation
    void load(async (signal) => {
      const page = await fetchList(signal)
      if (began !== generation) return
      maxShown = Math.max(MAX_SHOWN, events.value.length)
      reachBack(page)
      receivedCount.value = 0
      resumeCursor = page.cursor
      loaded.value = true
      error.value = null
      stream.start(page.cursor)
    })
  }

  function reachBack(page: EventPage): void {
    start.value = page.start ?? null
    searchedFrom.value = page.searched_from ?? null
  }

  /** Loads a page of older events. */
  async function loadOlder(): Promise<void> {
    if (start.value === null || loadingOlder.value) return
    loadingOlder.value = true
    const before = start.value
    const began = generation
    try {
      const page = await api.newestEvents({ ...filter(), before }, PAGE)
      if (began !== generation) return
      const older = page.events.reverse()
      maxShown = Math.min(MAX_SHOWN_WITH_OLDER, events.value.length + older.length + MAX_SHOWN)
      // The last event was dropped from the end and the search began with it.
      events.value = [...events.value, ...older.filter(({ cursor }) => cursor !== before)]
      reachBack(page)
    } catch (failure) {
      if (!(failure instanceof ApiError) && !(failure instanceof UnreachableError)) throw failure
      connection.notice = `Older events could not be loaded: ${failure.message}`
    } finally {
      loadingOlder.value = false
    }
  }

  function handleMessages(batch: StreamMessage[]): void {
    // Filter first: events of other kinds must not displace matching ones.
    const wanted = filter()
    const received = batch
      .filter((message) => message.type === 'event')
      .filter((event) => passes(event, wanted))
    if (!paused.value) {
      show(received)
      return
    }
    bufferedCount.value += received.length
    if (buffered.length <= MAX_BUFFERED) buffered.push(...received)
  }

  function handleGap(gap: Gap): void {
    if (paused.value) {
      // A paused list stays as it is until it is resumed.
      gapWhilePaused = true
      connection.setStatus('paused')
    } else if (gap === 'cursor-lost') {
      connection.notice = 'Some events are no longer in the log. The newest events were loaded.'
      reload()
    } else if (gap === 'access-changed') {
      reload()
    } else {
      connection.reportOverload(
        'Events arrive too fast to show each one. Loading the newest every few seconds.',
      )
      reloadTimer = setTimeout(reloadNewest, RELOAD_INTERVAL_MS)
    }
  }

  function show(received: readonly LockEvent[]): void {
    if (received.length === 0) return
    undrawn.push(...received)
    undrawnCount += received.length
    // Nothing is drawn while the page is hidden.
    if (undrawn.length > 2 * MAX_SHOWN_WITH_OLDER) undrawn = undrawn.slice(-MAX_SHOWN_WITH_OLDER)
    scheduleDraw()
  }

  function scheduleDraw(): void {
    drawTimer ??= setTimeout(() => void draw(), Math.max(0, nextDrawAt - performance.now()))
  }

  function takeUndrawn(): { newest: LockEvent[]; total: number } {
    const taken = { newest: undrawn, total: undrawnCount }
    undrawn = []
    undrawnCount = 0
    return taken
  }

  async function draw(): Promise<void> {
    const startedAt = performance.now()
    const tooFast = undrawnCount / (startedAt - drawnAt) > MAX_DRAWN / REPLACE_INTERVAL_MS
    nextDrawAt = startedAt + (tooFast ? REPLACE_INTERVAL_MS : DRAW_INTERVAL_MS)
    drawnAt = startedAt
    const cost = await showUndrawn()
    nextDrawAt = Math.max(nextDrawAt, performance.now() + DRAW_COST_FACTOR * cost)
    drawTimer = undefined
    if (undrawn.length > 0) scheduleDraw()
  }

  /** Shows what has arrived. Resolves to what that cost, in milliseconds. */
  async function showUndrawn(): Promise<number> {
    const { newest, total } = takeUndrawn()
    const replaces = total > MAX_DRAWN && !catchingUp
    const limit = () => (replaces ? MAX_DRAWN : maxShown)
    if (isLive) catchingUp = false
    const dropped = total + events.value.length > limit()
    const began = generation
    const cost = await drawRows(newest.slice(-limit()), limit)
    if (began !== generation) return cost
    const last = events.value.at(-1)
    if (dropped && last) {
      start.value = last.cursor
      searchedFrom.value = last.at
    }
    receivedCount.value += total
    return cost
  }

  /** Adds these events, and drops the oldest ones beyond the limit. Stops once the list is loaded again. */
  async function drawRows(added: LockEvent[], limit: () => number): Promise<number> {
    const began = generation
    let cost = 0
    for (let from = 0; from < added.length || events.value.length > limit(); from += ROWS_ADDED) {
      cost += await renderCost(() => {
        const list = [...added.slice(from, from + ROWS_ADDED).reverse(), ...events.value]
        events.value = list.slice(0, Math.max(limit(), list.length - ROWS_REMOVED))
      })
      if (began !== generation) break
    }
    return cost
  }

  function clearBuffer(): void {
    buffered = []
    bufferedCount.value = 0
  }

  function pause(): void {
    resumeCursor = stream.cursor() ?? resumeCursor
    if (connection.status === 'live') connection.setStatus('paused')
  }

  function resume(): void {
    if (gapWhilePaused) {
      reload()
      return
    }
    catchingUp = true
    const overflowed = buffered.length > MAX_BUFFERED
    const missed = buffered
    clearBuffer()
    if (overflowed) {
      stream.start(resumeCursor)
    } else {
      show(missed)
      if (connection.status === 'paused') connection.setStatus('live')
    }
  }

  watch(paused, (now) => (now ? pause() : resume()))
  watch(() => JSON.stringify(filter()), reload)
  onScopeDispose(() => {
    clearTimeout(drawTimer)
    clearTimeout(reloadTimer)
    takeUndrawn()
    generation += 1
  })
  reload()

  const full = computed(() => events.value.length >= MAX_SHOWN_WITH_OLDER)
  return {
    events,
    receivedCount,
    loaded,
    error,
    bufferedCount,
    start,
    searchedFrom,
    full,
    loadingOlder,
    loadOlder,
  }
}
