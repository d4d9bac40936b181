import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { useClock } from './clock'

/** `catching-up`: connected, but events arrive faster than the page applies them. `idle`: the view streams nothing. */
export type ConnectionStatus = 'idle' | 'loading' | 'live' | 'paused' | 'catching-up' | 'disconnected'

/** The page does not report an interruption shorter than this as stale. */
const STALE_AFTER_MS = 2_000
const ROUGHLY_MS = 10_000
/** The overload notice is cleared once the page has been live for this long. */
const RECOVERED_AFTER_MS = 10_000

/** Whether the page shows current data. */
export const useConnection = defineStore('connection', () => {
  const clock = useClock()
  const status = ref<ConnectionStatus>('loading')
  /** When the server went away, by its clock; until it answers again. */
  const lastGood = ref<number | null>(null)
  /** The instant that the page shows, if it is one of the past. */
  const past = ref<number | null>(null)
  /** A message about the connection for the operator. */
  const notice = ref<string | null>(null)

  let overloadNotice: string | null = null
  let recoveryTimer: ReturnType<typeof setTimeout> | undefined

  /** `lastContactAt` is the time of the last contact with the server, by `performance.now()`. */
  function setStatus(next: ConnectionStatus, lastContactAt = performance.now()): void {
    if (next === 'disconnected') lastGood.value ??= lastContactAt + clock.offset
    // A view that loads has no answer yet.
    else if (next !== 'loading') lastGood.value = null
    changeTo(next)
  }

  /** For a view that reads nothing by itself: it doesn't bring back a server that is away. */
  function setIdle(): void {
    changeTo('idle')
  }

  function changeTo(next: ConnectionStatus): void {
    if (next === 'live' && status.value !== 'live') recoveryTimer = setTimeout(recover, RECOVERED_AFTER_MS)
    else if (next !== 'live') clearTimeout(recoveryTimer)
    status.value = next
  }

  /** Shows a notice that clears itself once the page keeps up again. */
  function reportOverload(message: string): void {
    notice.value = overloadNotice = message
  }

  function recover(): void {
    if (notice.value === overloadNotice) notice.value = null
    overloadNotice = null
  }

  const staleSince = computed(() =>
    status.value === 'disconnected' && lastGood.value !== null && clock.now - lastGood.value > STALE_AFTER_MS
      ? lastGood.value
      : null,
  )
  /** The server's time of what the page shows: in the past, and from the last contact on, it stands still. */
  const asOf = computed(
    () => past.value ?? (status.value === 'disconnected' ? lastGood.value : null) ?? clock.now,
  )
  /** The same to ten seconds, for what nobody looks at. */
  const roughlyAsOf = computed(() => Math.floor(asOf.value / ROUGHLY_MS) * ROUGHLY_MS)
  const stale = computed(() => status.value === 'disconnected' || status.value === 'catching-up')

  return { status, past, notice, staleSince, asOf, roughlyAsOf, stale, setStatus, setIdle, reportOverload }
})
