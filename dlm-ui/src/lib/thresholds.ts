// From when on a wait, and a hold while others wait, is a trouble.
import { LONG_WAIT_MS } from '../api/limits'
import type { Overview } from '../api/types'
import type { TroubleHold, TroubleWait } from '../stores/settings'

export interface Thresholds {
  waitMs: number
  /** A lock that others wait for is a trouble once it is held for this long; `null` for never. */
  holdMs: number | null
}

const WAIT_MS: Record<Exclude<TroubleWait, 'server'>, number> = {
  '30s': 30_000,
  '1m': 60_000,
  '5m': 300_000,
  '15m': 900_000,
}
const HOLD_MS: Record<Exclude<TroubleHold, 'server'>, number | null> = {
  off: null,
  '1m': 60_000,
  '10m': 600_000,
  '1h': 3_600_000,
}

/** What the server calls a trouble, unless the settings say otherwise. */
export function thresholdsOf(
  { trouble_wait_ms, trouble_hold_ms }: Pick<Overview, 'trouble_wait_ms' | 'trouble_hold_ms'>,
  { troubleWait: wait, troubleHold: hold }: { troubleWait: TroubleWait; troubleHold: TroubleHold },
): Thresholds {
  return {
    waitMs: wait === 'server' ? (trouble_wait_ms ?? LONG_WAIT_MS) : WAIT_MS[wait],
    holdMs: hold === 'server' ? (trouble_hold_ms ?? null) : HOLD_MS[hold],
  }
}
