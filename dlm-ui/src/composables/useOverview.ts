// The overview: fetched once a second, which the server computes once for all clients, and brought up to date in between
// by the event stream.
import { onScopeDispose, shallowRef, watch } from 'vue'
import { api, ApiError, UnreachableError } from '../api/client'
import type { Gap } from '../api/eventSocket'
import { OVERVIEW_SECONDS } from '../api/limits'
import type { LockEvent, Overview, StreamMessage, WaitGraph } from '../api/types'
import { withEvents } from '../state/overviewEvents'
import { mergeSeconds } from '../state/seconds'
import { useClock } from '../stores/clock'
import { useConnection } from '../stores/connection'
import { useSignIn } from '../stores/signIn'
import { useDrawScheduler } from './useDrawScheduler'
import { useEventStream } from './useEventStream'

const INTERVAL_MS = 1_000
/** Enough to cover the time since the previous fetch. */
const RECENT_SECONDS = 10
/** The pause after events arrived too fast to follow. Meanwhile the overview is a second old at most. */
const STREAM_PAUSE_MS = 10_000

export function useOverview() {
  const connection = useConnection()
  const clock = useClock()
  const signIn = useSignIn()
  const overview = shallowRef<Overview | null>(null)
  const error = shallowRef<ApiError | null>(null)
  /** The last graph that the stream has brought; `null` while there is no stream. */
  const liveGraph = shallowRef<WaitGraph | null>(null)
  let timer: ReturnType<typeof setTimeout> | undefined
  let streamTimer: ReturnType<typeof setTimeout> | undefined
  let disposed = false
  let inFlight = false
  let respondedAt = performance.now()
  let streaming = false
  /** The events that the last overview may not include. */
  let recent: LockEvent[] = []
  let undrawn: LockEvent[] = []

  const scheduler = useDrawScheduler([draw])
  const stream = useEventStream(() => ({ waitGraph: true }), {
    messages: handleMessages,
    gap: handleGap,
    state: (state) => {
      if (state !== 'live') liveGraph.value = null
    },
  })

  async function fetchOverview(): Promise<void> {
    if (inFlight) return
    inFlight = true
    const sentAt = performance.now()
    try {
      const fresh = await api.overview(missingSeconds())
      if (disposed) return
      respondedAt = performance.now()
      clock.addSample(fresh.at, sentAt, respondedAt)
      show(fresh)
      error.value = null
      connection.setStatus('live')
      if (!streaming) startStream()
    } catch (failure) {
      if (disposed) return
      if (failure instanceof ApiError && failure.missingRole) {
        // Another request would be denied, and recorded, as well.
        deny(failure)
        return
      }
      connection.setStatus('disconnected', respondedAt)
      if (failure instanceof ApiError && failure.status < 500) error.value = failure
      else if (!(failure instanceof UnreachableError) && !(failure instanceof ApiError)) throw failure
    } finally {
      inFlight = false
    }
    schedule(Math.max(0, sentAt + INTERVAL_MS - performance.now()))
  }

  function show(fresh: Overview): void {
    const known = overview.value?.seconds ?? []
    const computedAt = Date.parse(fresh.at)
    recent = recent.filter(({ at }) => Date.parse(at) > computedAt)
    undrawn = []
    const seconds = mergeSeconds(known, fresh.seconds, OVERVIEW_SECONDS)
    overview.value = withEvents({ ...fresh, seconds }, recent)
  }

  function deny(failure: ApiError): void {
    error.value = failure
    forget()
    connection.setStatus('idle')
  }

  /** Drops all that was read, of which some may no longer be seen. */
  function forget(): void {
    clearTimeout(streamTimer)
    stream.stop()
    streaming = false
    recent = []
    undrawn = []
    overview.value = null
  }

  function startStream(): void {
    streaming = true
    stream.start(null)
  }

  function handleMessages(batch: StreamMessage[]): void {
    const graph = batch.findLast((message) => message.type === 'wait_graph')
    if (graph) liveGraph.value = graph.wait_graph
    const events = batch.filter((message) => message.type === 'event')
    if (events.length === 0) return
    recent.push(...events)
    undrawn.push(...events)
    scheduler.schedule()
  }

  function draw(): void {
    if (overview.value) overview.value = withEvents(overview.value, undrawn)
    undrawn = []
  }

  function handleGap(gap: Gap): void {
    // The rights are handled below.
    if (gap === 'access-changed') return
    if (gap === 'cursor-lost') startStream()
    else streamTimer = setTimeout(startStream, STREAM_PAUSE_MS)
    schedule(0)
  }

  function missingSeconds(): number {
    const last = overview.value?.seconds.at(-1)
    const behind = last ? clock.now - Date.parse(last.at) : Number.POSITIVE_INFINITY
    return behind < (RECENT_SECONDS - 2) * 1000 ? RECENT_SECONDS : OVERVIEW_SECONDS
  }

  function schedule(delay: number): void {
    clearTimeout(timer)
    // A hidden page fetches nothing.
    if (!document.hidden) timer = setTimeout(() => void fetchOverview(), delay)
  }

  const onVisibilityChange = () => schedule(0)
  document.addEventListener('visibilitychange', onVisibilityChange)
  onScopeDispose(() => {
    disposed = true
    clearTimeout(timer)
    clearTimeout(streamTimer)
    document.removeEventListener('visibilitychange', onVisibilityChange)
  })
  watch(
    () => signIn.rules,
    () => {
      forget()
      schedule(0)
    },
  )
  void fetchOverview()

  return { overview, error, liveGraph }
}
