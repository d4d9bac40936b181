// How much of the past a timeline shows while it moves on with the time.

export const SPANS = [
  { value: '1m', label: '1 min', ms: 60_000 },
  { value: '10m', label: '10 min', ms: 600_000 },
  { value: '1h', label: '1 h', ms: 3_600_000 },
  { value: '6h', label: '6 h', ms: 6 * 3_600_000 },
  { value: '24h', label: '24 h', ms: 24 * 3_600_000 },
  /** As far back as is known. */
  { value: 'all', label: 'All', ms: null },
] as const

export type Span = (typeof SPANS)[number]['value']

export const SPAN_NAMES: readonly Span[] = SPANS.map(({ value }) => value)

/** In milliseconds; `null` for all. */
export function spanMs(span: Span): number | null {
  return SPANS.find(({ value }) => value === span)?.ms ?? null
}
