// Names that are almost the one that was typed.

/** Parts to search similar names by: the last two segments, but not the first one, which too many names have. */
export function searchableParts(typed: string): string[] {
  const segments = typed.split('/').filter((segment) => segment !== '')
  return [...new Set(segments.length > 1 ? segments.slice(1).slice(-2) : segments)]
}

/** Names that differ in at most a third of the letters of the one that was typed, the most similar first. */
export function nearNames(typed: string, names: Iterable<string>, limit: number): string[] {
  const wanted = typed.toLowerCase()
  const most = Math.max(1, Math.floor(wanted.length / 3))
  const found: { name: string; edits: number }[] = []
  for (const name of new Set(names)) {
    if (name === typed) continue
    const edits = editDistance(wanted, name.toLowerCase(), most)
    if (edits !== null) found.push({ name, edits })
  }
  found.sort((a, b) => a.edits - b.edits || (a.name < b.name ? -1 : 1))
  return found.slice(0, limit).map(({ name }) => name)
}

/**
 * How many letters have to be inserted, removed, replaced, or exchanged with their neighbor to make one text the other;
 * `null` if there are more than `most`.
 */
export function editDistance(from: string, to: string, most: number): number | null {
  if (Math.abs(from.length - to.length) > most) return null
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1]
      let edits = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      )
      const exchanged = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (row > 1 && column > 1 && exchanged) edits = Math.min(edits, (beforeLast[column - 2] ?? 0) + 1)
      current.push(edits)
    }
    // No later row has less.
    if (Math.min(...current) > most) return null
    ;[beforeLast, last] = [last, current]
  }
  const edits = last[to.length] ?? 0
  return edits <= most ? edits : null
}
