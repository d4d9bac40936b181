// The tail of the event log as a live list: the newest events first.
import { nextTick, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, type ApiError } from '../api/client'
import type { Gap } from '../api/eventSocket'
import { MAX_PAGE } from '../api/limits'
import type { EventKind, LockEvent, StreamMessage } from '../api/types'
import { useConnection } from '../stores/connection'
import { useEventStream } from './useEventStream'
import { useRetry } from './useRetry'

const INITIAL_EVENTS = 200
const MAX_SHOWN = 500
/** Beyond this many events, a paused list stops buffering; on resume the stream restarts from the cursor instead. */
const MAX_BUFFERED = 1_000
const DRAW_INTERVAL_MS = 150
/** The pause after a draw, as a multiple of its duration, so that incoming events are still processed. */
const DRAW_COST_FACTOR = 4
/** The interval between reloads while events arrive too fast. */
const RELOAD_INTERVAL_MS = 2_000

export interface EventTailOptions {
  prefix: Ref<string>
  resource: Ref<string>
  /** The kinds to show; empty for all. */
  kinds: Ref<readonly EventKind[]>
  paused: Ref<boolean>
}

export function useEventTail({ prefix, resource, kinds, paused }: EventTailOptions) {
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
  let drawTimer: ReturnType<typeof setTimeout> | undefined
  let reloadTimer: ReturnType<typeof setTimeout> | undefined
  let nextDrawAt = Number.NEGATIVE_INFINITY
  let resumeCursor: string | null = null
  /** The stream ended with a gap while paused. */
  let gapWhilePaused = false

  const matchesKinds = (event: LockEvent) => kinds.value.length === 0 || kinds.value.includes(event.kind)

  const { load } = useRetry((failure: ApiError) => {
    error.value = failure
    events.value = []
    loaded.value = true
  })
  const stream = useEventStream(() => ({ prefix: prefix.value, resource: resource.value }), {
    messages: handleMessages,
    state: (state) => {
      if (state === 'live' && paused.value) connection.setStatus('paused')
    },
    gap: handleGap,
  })

  function reload(): void {
    clearTimeout(reloadTimer)
    stream.stop()
    clearBuffer()
    undrawn = []
    gapWhilePaused = false
    void load(async (signal) => {
      // The server does not filter by kind, so load more to find enough matching events.
      const limit = kinds.value.length === 0 ? INITIAL_EVENTS : MAX_PAGE
      const page = await api.newestEvents(prefix.value, resource.value, limit, signal)
      events.value = page.events.filter(matchesKinds).reverse().slice(0, MAX_SHOWN)
      receivedCount.value = 0
      resumeCursor = page.cursor
      loaded.value = true
      error.value = null
      stream.start(page.cursor)
    })
  }

  function handleMessages(batch: StreamMessage[]): void {
    // Filter first: events of other kinds must not displace matching ones.
    const received = batch.filter((message) => message.type === 'event').filter(matchesKinds)
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
      reloadTimer = setTimeout(reload, RELOAD_INTERVAL_MS)
    }
  }

  function show(received: readonly LockEvent[]): void {
    if (received.length === 0) return
    undrawn.push(...received)
    drawTimer ??= setTimeout(() => void draw(), Math.max(0, nextDrawAt - performance.now()))
  }

  async function draw(): Promise<void> {
    drawTimer = undefined
    const startedAt = performance.now()
    events.value = [...undrawn.slice(-MAX_SHOWN).reverse(), ...events.value].slice(0, MAX_SHOWN)
    receivedCount.value += undrawn.length
    undrawn = []
    nextDrawAt = startedAt + DRAW_INTERVAL_MS
    await nextTick()
    const finishedAt = performance.now()
    nextDrawAt = Math.max(nextDrawAt, finishedAt + DRAW_COST_FACTOR * (finishedAt - startedAt))
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
  watch([prefix, resource, () => kinds.value.join()], reload)
  onScopeDispose(() => {
    clearTimeout(drawTimer)
    clearTimeout(reloadTimer)
  })
  reload()

  return { events, receivedCount, loaded, error, bufferedCount }
}
