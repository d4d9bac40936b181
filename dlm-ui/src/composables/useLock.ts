// One lock as it is: its status, asked for anew whenever something happened to it, and its newest events.
import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, passes, type ApiError } from '../api/client'
import type { LockEvent, LockStatus, StreamMessage } from '../api/types'
import { applyRenewal, newer } from '../state/rows'
import { useConnection } from '../stores/connection'
import { useEventStream } from './useEventStream'
import { useOverdue } from './useOverdue'
import { useRetry } from './useRetry'

const MOST_EVENTS = 500
/** A lock that is busy is asked for this often at most; and this long after it could not be. */
const REFRESH_MS = 100
const AGAIN_MS = 1_000

export function useLock(name: Ref<string>) {
  const connection = useConnection()
  const status = shallowRef<LockStatus | null>(null)
  /** Oldest first. */
  const events = shallowRef<LockEvent[]>([])
  const refused = ref<string | null>(null)
  let notBefore = Number.NEGATIVE_INFINITY
  let timer: ReturnType<typeof setTimeout> | undefined
  let asking = false
  /** What is under way may be answered without what happened since. */
  let again = false
  let ended = false

  const { load } = useRetry((error: ApiError) => {
    refused.value = error.message
  })
  const stream = useEventStream(() => ({ resource: name.value, renewals: true }), {
    messages: take,
    gap: (why) => {
      if (why === 'cursor-lost') {
        connection.notice = 'The server no longer had the events since the last look; they were loaded anew.'
      }
      reload()
    },
  })

  function reload(): void {
    stream.stop()
    void load(async (signal) => {
      const page = await api.newestEvents('', name.value, MOST_EVENTS, signal)
      const fresh = await api.status(name.value, signal)
      refused.value = null
      events.value = page.events
      status.value = fresh
      stream.start(page.cursor)
    })
  }

  function take(batch: StreamMessage[]): void {
    const happened = batch.filter((message) => message.type === 'event')
    if (happened.length > 0) {
      events.value = [...events.value, ...happened].slice(-MOST_EVENTS)
      if (happened.some((event) => event.version > (status.value?.version ?? 0))) refreshSoon()
    }
    for (const message of batch) {
      if (message.type !== 'renewed' || !status.value) continue
      status.value = applyRenewal(status.value, message) ?? status.value
    }
  }

  function refreshSoon(): void {
    if (asking) again = true
    else timer ??= setTimeout(() => void refresh(), Math.max(0, notBefore - performance.now()))
  }

  /** One question at a time: on a slow way the answers would overtake each other. */
  async function refresh(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    if (asking) {
      again = true
      return
    }
    asking = true
    again = false
    notBefore = performance.now() + REFRESH_MS
    try {
      const fresh = await api.status(name.value)
      if (fresh.resource === name.value) status.value = newer(status.value, fresh)
    } catch (error) {
      again = passes(error)
      notBefore = performance.now() + AGAIN_MS
    } finally {
      asking = false
    }
    if (again && !ended) refreshSoon()
  }

  useOverdue(() => (status.value ? [status.value] : []), refreshSoon)
  watch(name, () => {
    status.value = null
    events.value = []
    reload()
  })
  onScopeDispose(() => {
    ended = true
    clearTimeout(timer)
  })
  reload()

  return { status, events, refused, refresh }
}
