// Instants of the past that can be looked at.
import type { PastState } from '../api/types'
import { duration } from '../lib/format'

/** The time that the log covers. */
export function reach({ known_since, now }: PastState): { from: number; to: number } {
  const to = Date.parse(now)
  return { from: known_since ? Math.min(to, Date.parse(known_since)) : to, to }
}

/** An instant within these bounds, in ISO 8601. */
export function clampInstant(ms: number, { from, to }: { from: number; to: number }): string {
  return new Date(Math.min(to, Math.max(from, ms))).toISOString()
}

/** How long something had lasted at the instant; what began at an unknown time says so. */
export function lasted(since: string | null | undefined, at: string): string {
  return since ? `for ${duration(Date.parse(at) - Date.parse(since))}` : 'since an unknown time'
}
