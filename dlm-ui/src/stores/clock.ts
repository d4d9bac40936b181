import { defineStore } from 'pinia'
import { ref } from 'vue'
import { api } from '../api/client'

/** The clock is asked again after this long: the two may run apart. */
const AGAIN_MS = 60_000
const TICK_MS = 250
const LEAP_MS = 1_000

/** The server's clock: what all times on the page are computed from. */
export const useClock = defineStore('clock', () => {
  /** The server's now less the browser's steady clock (`performance.now()`), which nobody sets, in milliseconds. */
  const offset = ref(wallAhead())
  /** The server's now; it ticks four times a second while the page is seen. */
  const now = ref(performance.now() + offset.value)
  let ahead = wallAhead()
  let best = Number.POSITIVE_INFINITY
  let taken = Number.NEGATIVE_INFINITY

  /** Takes a reading of the server's clock: the shorter its way, the better it is. */
  function take(serverAt: string, sentAt: number, answeredAt: number): void {
    const way = answeredAt - sentAt
    if (way > best && answeredAt - taken < AGAIN_MS) return
    best = way
    taken = answeredAt
    offset.value = Date.parse(serverAt) - (sentAt + way / 2)
  }

  async function sync(): Promise<void> {
    if (performance.now() - taken < AGAIN_MS) return
    const sentAt = performance.now()
    try {
      const { at } = await api.overview(0)
      take(at, sentAt, performance.now())
    } catch {
      // The server is away; the last reading stands.
    }
  }

  function tick(): void {
    if (Math.abs(wallAhead() - ahead) > LEAP_MS) {
      // The computer slept, in which the steady clock may stand still, or somebody set its clock.
      ahead = wallAhead()
      taken = Number.NEGATIVE_INFINITY
      void sync()
    }
    if (!document.hidden) now.value = performance.now() + offset.value
  }

  /** Starts the clock; the result stops it. */
  function run(): () => void {
    const ticking = setInterval(tick, TICK_MS)
    const syncing = setInterval(() => void sync(), 5_000)
    const seen = () => {
      tick()
      void sync()
    }
    document.addEventListener('visibilitychange', seen)
    void sync().then(tick)
    return () => {
      clearInterval(ticking)
      clearInterval(syncing)
      document.removeEventListener('visibilitychange', seen)
    }
  }

  return { offset, now, take, sync, run }
})

/** The browser's wall clock less its steady one. */
function wallAhead(): number {
  return Date.now() - performance.now()
}
