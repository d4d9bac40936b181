/**
 * Keys for rows, of which each keeps its own, and a new one gets that of one that is gone: its elements are changed, which
 * costs less than to make new ones.
 */
export function recycledKeys(
  before: ReadonlyMap<string, number> | undefined,
  ids: readonly string[],
): ReadonlyMap<string, number> {
  const shown = new Set(ids)
  const keys = new Map<string, number>()
  const free: number[] = []
  let taken = 0
  let unused = 0
  for (const [id, key] of before ?? []) {
    if (shown.has(id)) keys.set(id, key)
    else free.push(key)
    unused = Math.max(unused, key + 1)
  }
  for (const id of shown) {
    if (!keys.has(id)) keys.set(id, free[taken++] ?? unused++)
  }
  return keys
}
