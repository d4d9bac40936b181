import { descending, SORT_KEYS, type Sort, type SortKey } from '../../state/sort'

/** The heads of columns by which a table is sorted, and in reverse with a second click. */
export function useSortHeaders(sort: () => Sort, emit: (event: 'sort', sort: Sort) => void) {
  /** `null` for a column by which the table can't be sorted. */
  function sortKey(id: string): SortKey | null {
    return SORT_KEYS.find((key) => key === id) ?? null
  }

  function ariaSort(id: string): 'ascending' | 'descending' | 'none' | undefined {
    if (!sortKey(id)) return undefined
    if (sort().key !== id) return 'none'
    return descending(sort()) ? 'descending' : 'ascending'
  }

  function sortBy(id: string): void {
    const key = sortKey(id)
    if (key) emit('sort', { key, reversed: sort().key === key && !sort().reversed })
  }

  return { sortKey, ariaSort, sortBy }
}
