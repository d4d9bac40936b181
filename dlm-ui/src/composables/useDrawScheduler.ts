import { nextTick, onScopeDispose } from 'vue'

/** One frame at 60 Hz. */
const MIN_DELAY_MS = 16
/** The delay is at least this many times the duration of the last draw, so that drawing takes a small share of the time. */
const COST_FACTOR = 10

/** Coalesces requests to draw, and spaces draws out when they are expensive. */
export function useDrawScheduler(draw: () => void) {
  let timer: ReturnType<typeof setTimeout> | undefined
  let lastCostMs = 0

  function schedule(): void {
    timer ??= setTimeout(() => void run(), Math.max(MIN_DELAY_MS, lastCostMs * COST_FACTOR))
  }

  async function run(): Promise<void> {
    timer = undefined
    const startedAt = performance.now()
    draw()
    // What is drawn is rendered by then.
    await nextTick()
    lastCostMs = performance.now() - startedAt
  }

  onScopeDispose(() => clearTimeout(timer))
  return { schedule }
}
