import { defineStore } from 'pinia'
import { ref } from 'vue'
import { api, retryable } from '../api/client'

/** Samples older than this are replaced: the two clocks drift apart. */
const SAMPLE_MAX_AGE_MS = 60_000
const SYNC_CHECK_MS = 5_000
/** How often the time is updated. */
export const TICK_MS = 1_000
/** A larger jump of the wall clock against the monotonic clock invalidates the sample. */
const JUMP_THRESHOLD_MS = 1_000

/** The server's clock, from which all displayed times are computed. */
export const useClock = defineStore('clock', () => {
  /** The server's time minus the browser's monotonic clock (`performance.now()`), in milliseconds. */
  const offset = ref(wallClockOffset())
  /**
   * The server's current time. Updated with each second while the page is visible, to the second: all times on a page
   * change at once, so that a page where nothing happens is laid out and painted once a second.
   */
  const now = ref(performance.now() + offset.value)
  let lastWallClockOffset = wallClockOffset()
  let bestRoundTrip = Number.POSITIVE_INFINITY
  let sampledAt = Number.NEGATIVE_INFINITY
  let syncing = false
  let tickTimer: ReturnType<typeof setTimeout> | undefined

  /** Adds a sample of the server's clock. The shorter the round trip, the more accurate the sample. */
  function addSample(serverTime: string, sentAt: number, receivedAt: number): void {
    const roundTrip = receivedAt - sentAt
    if (roundTrip > bestRoundTrip && receivedAt - sampledAt < SAMPLE_MAX_AGE_MS) return
    bestRoundTrip = roundTrip
    sampledAt = receivedAt
    offset.value = Date.parse(serverTime) - (sentAt + roundTrip / 2)
  }

  async function sync(): Promise<void> {
    if (syncing || performance.now() - sampledAt < SAMPLE_MAX_AGE_MS) return
    syncing = true
    const sentAt = performance.now()
    try {
      const { at } = await api.overview(0)
      addSample(at, sentAt, performance.now())
    } catch (error) {
      // Keep the last sample. Whoever may not see the overview does not ask for it every few seconds.
      if (!retryable(error)) sampledAt = performance.now()
    } finally {
      syncing = false
    }
  }

  function tick(): void {
    if (Math.abs(wallClockOffset() - lastWallClockOffset) > JUMP_THRESHOLD_MS) {
      // The wall clock was set, or the computer slept, during which the monotonic clock may have stopped.
      lastWallClockOffset = wallClockOffset()
      sampledAt = Number.NEGATIVE_INFINITY
      void sync()
    }
    const current = performance.now() + offset.value
    if (!document.hidden) now.value = wholeSecond(current)
    clearTimeout(tickTimer)
    tickTimer = setTimeout(tick, wholeSecond(current) + TICK_MS - current)
  }

  /** Starts the clock and returns a function that stops it. */
  function run(): () => void {
    let stopped = false
    tick()
    const syncTimer = setInterval(() => void sync(), SYNC_CHECK_MS)
    const onVisibilityChange = () => {
      tick()
      void sync()
    }
    document.addEventListener('visibilitychange', onVisibilityChange)
    // The sample moves the beginnings of the seconds.
    void sync().then(() => {
      if (!stopped) tick()
    })
    return () => {
      stopped = true
      clearTimeout(tickTimer)
      clearInterval(syncTimer)
      document.removeEventListener('visibilitychange', onVisibilityChange)
    }
  }

  return { offset, now, addSample, sync, run }
})

function wholeSecond(ms: number): number {
  return Math.floor(ms / TICK_MS) * TICK_MS
}

/** The browser's wall clock minus its monotonic clock. */
function wallClockOffset(): number {
  return Date.now() - performance.now()
}
