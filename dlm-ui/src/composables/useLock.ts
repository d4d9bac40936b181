// The status of one lock, fetched again after each of its events, and its newest events.
import { onScopeDispose, shallowRef, watch, type Ref } from 'vue'
import { api, retryable, type ApiError } from '../api/client'
import type { LockEvent, LockStatus, Renewal, StreamMessage } from '../api/types'
import { applyRenewal, mergeStatus } from '../state/rows'
import { useConnection } from '../stores/connection'
import { useDrawScheduler } from './useDrawScheduler'
import { useEventStream } from './useEventStream'
import { useLockHistory } from './useLockHistory'
import { useOverdueLeases } from './useOverdueLeases'
import { useRetry } from './useRetry'

const MAX_EVENTS = 500
/** Minimum interval between fetches of the status. */
const REFRESH_INTERVAL_MS = 100
const RETRY_DELAY_MS = 1_000
/** Mostly enough for the status, which is then drawn with the events that it follows from. */
const DRAW_DELAY_MS = 50

export function useLock(name: Ref<string>) {
  const connection = useConnection()
  const status = shallowRef<LockStatus | null>(null)
  /** Oldest first. */
  const events = shallowRef<LockEvent[]>([])
  const error = shallowRef<ApiError | null>(null)
  let notBefore = Number.NEGATIVE_INFINITY
  let timer: ReturnType<typeof setTimeout> | undefined
  let inFlight = false
  /** An event arrived during the request in flight, whose response may not include it. */
  let refreshAgain = false
  let disposed = false
  let undrawn: LockEvent[] = []
  /** What is drawn in the list, but not over time. */
  let undrawnHistory: LockEvent[] = []
  let undrawnStatus: LockStatus | null = null
  let undrawnRenewals: Renewal[] = []
  const history = useLockHistory(name)
  const scheduler = useDrawScheduler([drawEvents, drawStatus, drawHistory], DRAW_DELAY_MS)

  const { load } = useRetry((failure: ApiError) => {
    error.value = failure
    forget()
  })
  const stream = useEventStream(() => ({ resource: name.value, renewals: true }), {
    messages: handleMessages,
    gap: (gap) => {
      if (gap === 'cursor-lost') {
        connection.notice = 'Some events are no longer in the log. The lock was reloaded.'
      }
      reload()
    },
  })

  function forget(): void {
    forgetUndrawn()
    status.value = null
    events.value = []
    history.clear()
  }

  function forgetUndrawn(): void {
    undrawn = []
    undrawnHistory = []
    undrawnStatus = null
    undrawnRenewals = []
  }

  // Of many events per second, to draw each batch, and each status, would take all of the time.

  function drawEvents(): void {
    if (undrawn.length === 0) return
    events.value = [...events.value, ...undrawn].slice(-MAX_EVENTS)
    undrawnHistory.push(...undrawn)
    undrawn = []
  }

  function drawStatus(): void {
    let latest = undrawnStatus ? mergeStatus(status.value, undrawnStatus) : status.value
    for (const renewal of undrawnRenewals) latest = latest && (applyRenewal(latest, renewal) ?? latest)
    status.value = latest
    undrawnStatus = null
    undrawnRenewals = []
    if (refreshAgain) scheduleRefresh()
  }

  function drawHistory(): void {
    if (undrawnHistory.length > 0) history.append(undrawnHistory)
    undrawnHistory = []
  }

  function reload(): void {
    stream.stop()
    forgetUndrawn()
    void load(async (signal) => {
      const page = await api.newestEvents({ resource: name.value }, MAX_EVENTS, signal)
      const fetched = await api.status(name.value, signal)
      error.value = null
      events.value = page.events
      history.restart(page)
      status.value = fetched
      stream.start(page.cursor)
    })
  }

  function handleMessages(batch: StreamMessage[]): void {
    const received = batch.filter((message) => message.type === 'event')
    if (received.length > 0) {
      undrawn.push(...received)
      scheduler.schedule()
      const version = Math.max(status.value?.version ?? 0, undrawnStatus?.version ?? 0)
      if (received.some((event) => event.version > version)) scheduleRefresh()
    }
    const renewals = batch.filter((message) => message.type === 'renewed')
    if (renewals.length > 0) {
      undrawnRenewals.push(...renewals)
      scheduler.schedule()
    }
  }

  function scheduleRefresh(): void {
    // One that is not drawn yet is not fetched again.
    if (inFlight || undrawnStatus) refreshAgain = true
    else timer ??= setTimeout(() => void refresh(), Math.max(0, notBefore - performance.now()))
  }

  /** Fetches the status. Only one request is in flight, so that responses can't overtake each other. */
  async function refresh(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    if (inFlight) {
      refreshAgain = true
      return
    }
    inFlight = true
    refreshAgain = false
    notBefore = performance.now() + REFRESH_INTERVAL_MS
    try {
      const fetched = await api.status(name.value)
      if (fetched.resource === name.value) {
        undrawnStatus = fetched
        scheduler.schedule()
      }
    } catch (failure) {
      refreshAgain = retryable(failure)
      notBefore = performance.now() + RETRY_DELAY_MS
    } finally {
      inFlight = false
    }
    if (refreshAgain && !disposed) scheduleRefresh()
  }

  useOverdueLeases(() => (status.value ? [status.value] : []), scheduleRefresh)
  watch(name, () => {
    forget()
    reload()
  })
  onScopeDispose(() => {
    disposed = true
    clearTimeout(timer)
  })
  reload()

  return { status, events, history, error, refresh }
}
