// The part of a time axis that is looked at, and how it is zoomed and moved. In milliseconds since the epoch.

export interface TimeWindow {
  from: number
  to: number
}

/** Holds shorter than this can't be told apart any more. */
const MIN_SPAN_MS = 1_000
const MAX_SPAN_MS = 7 * 86_400_000

/** Zooms by a factor, below 1 to look closer, around an instant that keeps its place. Nothing after `now` is shown. */
export function zoom({ from, to }: TimeWindow, around: number, factor: number, now: number): TimeWindow {
  const span = to - from
  const next = Math.min(MAX_SPAN_MS, Math.max(MIN_SPAN_MS, span * factor))
  const share = span > 0 ? (around - from) / span : 0.5
  return before(now, around - share * next, next)
}

/** Moves by a time, to the past if it is negative. */
export function pan({ from, to }: TimeWindow, byMs: number, now: number): TimeWindow {
  return before(now, from + byMs, to - from)
}

function before(now: number, from: number, span: number): TimeWindow {
  const start = Math.min(from, now - span)
  return { from: Math.round(start), to: Math.round(start + span) }
}

/** The window as a parameter of an address. */
export function formatWindow(window: TimeWindow | null): string {
  return window === null ? '' : `${window.from}-${window.to}`
}

export function parseWindow(text: string): TimeWindow | null {
  const found = /^(\d{1,14})-(\d{1,14})$/.exec(text)
  const [from, to] = [Number(found?.[1]), Number(found?.[2])]
  return to - from >= MIN_SPAN_MS && to - from <= MAX_SPAN_MS ? { from, to } : null
}

/** The number of colors that owners have. */
export const OWNER_COLORS = 7

/** Which of the colors an owner has, always the same one. */
export function ownerColor(owner: string): number {
  let hash = 2_166_136_261
  for (const character of owner) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16_777_619) >>> 0
  return hash % OWNER_COLORS
}
