// What the command palette offers for what was typed.

/** How well a text matches; `null` if it does not. The smaller, the better. */
export function match(typed: string, text: string): number | null {
  if (typed === '') return 0
  const [part, whole] = [typed.toLowerCase(), text.toLowerCase()]
  const at = whole.indexOf(part)
  if (at < 0) return null
  if (whole === part) return 0
  if (at === 0) return 1
  // At the start of a segment or of a word.
  return /[\s/:._@-]/.test(whole[at - 1] ?? '') ? 2 : 3
}

/** The best matches, in the order of how well they match, then as they came. */
export function bestMatches<T>(
  typed: string,
  candidates: Iterable<T>,
  text: (candidate: T) => string,
  limit: number,
): T[] {
  const ranked: T[][] = [[], [], [], []]
  for (const candidate of candidates) {
    const quality = match(typed, text(candidate))
    const equals = quality === null ? undefined : ranked[quality]
    if (equals && equals.length < limit) equals.push(candidate)
  }
  return ranked.flat().slice(0, limit)
}

/** The fencing token that was typed, also as `#42`; `null` if it is none. */
export function typedToken(typed: string): number | null {
  const digits = /^#?(\d{1,15})$/.exec(typed)?.[1]
  return digits === undefined ? null : Number(digits)
}
