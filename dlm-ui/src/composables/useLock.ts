// One lock as it is: its status, asked for anew whenever something happened to it, and its newest events.
import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, type ApiError } from '../api/client'
import type { LockEvent, LockStatus, StreamMessage } from '../api/types'
import { applyRenewal } from '../state/rows'
import { useConnection } from '../stores/connection'
import { useEventStream } from './useEventStream'
import { useRetry } from './useRetry'

const MOST_EVENTS = 500
/** A lock that is busy is asked for this often at most. */
const REFRESH_MS = 100

export function useLock(name: Ref<string>) {
  const connection = useConnection()
  const status = shallowRef<LockStatus | null>(null)
  /** Oldest first. */
  const events = shallowRef<LockEvent[]>([])
  const refused = ref<string | null>(null)
  let lastAsked = Number.NEGATIVE_INFINITY
  let asking: ReturnType<typeof setTimeout> | undefined
  let asked = 0

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
    asking ??= setTimeout(
      () => {
        asking = undefined
        lastAsked = Date.now()
        void refresh()
      },
      Math.max(0, lastAsked + REFRESH_MS - Date.now()),
    )
  }

  async function refresh(): Promise<void> {
    const mine = (asked += 1)
    try {
      const fresh = await api.status(name.value)
      if (mine === asked && fresh.resource === name.value) status.value = fresh
    } catch {
      // The stream notices when the server is away, and the next event asks again.
    }
  }

  watch(name, () => {
    status.value = null
    events.value = []
    reload()
  })
  onScopeDispose(() => clearTimeout(asking))
  reload()

  return { status, events, refused, refresh }
}
