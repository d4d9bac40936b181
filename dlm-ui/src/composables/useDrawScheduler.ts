import { onScopeDispose } from 'vue'
import { renderCost } from '../lib/renderCost'

/** One frame at 60 Hz. */
const MIN_DELAY_MS = 16
/** The delay is at least this many times the duration of the last draw, so that drawing takes a small share of the time. */
const COST_FACTOR = 10

/** Coalesces requests to draw, and spaces draws out when they are expensive. */
export function useDrawScheduler(draw: () => void) {
  let timer: ReturnType<typeof setTimeout> | undefined
  let lastCostMs = 0
  let drawing = false
  let again = false
  let disposed = false

  function schedule(): void {
    if (drawing) again = true
    else timer ??= setTimeout(() => void run(), Math.max(MIN_DELAY_MS, lastCostMs * COST_FACTOR))
  }

  async function run(): Promise<void> {
    // Until its cost is known, no other draw starts.
    drawing = true
    again = false
    timer = undefined
    lastCostMs = await renderCost(draw)
    drawing = false
    if (again && !disposed) schedule()
  }

  onScopeDispose(() => {
    disposed = true
    clearTimeout(timer)
  })
  return { schedule }
}
