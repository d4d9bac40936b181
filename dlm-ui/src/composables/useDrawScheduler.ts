import { onScopeDispose } from 'vue'
import { renderCost } from '../lib/renderCost'

/** One frame at 60 Hz. */
const FRAME_MS = 16
/** The pause after a draw is at least this many times its duration, so that drawing takes a small share of the time. */
const COST_FACTOR = 10

/**
 * Coalesces requests to draw, within a delay, and spaces draws out when they are expensive. Each step of a draw has a
 * frame of its own, so that none is long.
 */
export function useDrawScheduler(steps: readonly (() => void)[], delayMs = FRAME_MS) {
  let timer: ReturnType<typeof setTimeout> | undefined
  let notBefore = Number.NEGATIVE_INFINITY
  let drawing = false
  let again = false
  let disposed = false

  function schedule(): void {
    if (drawing) again = true
    else timer ??= setTimeout(() => void run(), Math.max(delayMs, notBefore - performance.now()))
  }

  async function run(): Promise<void> {
    // Until its cost is known, no other draw starts.
    drawing = true
    again = false
    timer = undefined
    let cost = 0
    for (const step of steps) {
      if (disposed) return
      cost += await renderCost(step)
    }
    notBefore = performance.now() + cost * COST_FACTOR
    drawing = false
    if (again && !disposed) schedule()
  }

  onScopeDispose(() => {
    disposed = true
    clearTimeout(timer)
  })
  return { schedule }
}
