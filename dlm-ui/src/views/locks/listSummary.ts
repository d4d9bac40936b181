// What the header of the list of locks says about it.
import { MAX_HOLDERS_SHOWN, MAX_HOLD_STATISTICS } from '../../api/limits'
import { count } from '../../lib/format'

export interface ListState {
  /** The number of locks in the list. */
  total: number
  /** The number of those that the filters of the page leave. */
  shown: number
  /** The page filters the list. */
  narrowed: boolean
  /** All pages are loaded. */
  complete: boolean
  /** Loading stopped before the last page. */
  truncated: boolean
  /** The number of locks of which it is not known whether they match. */
  undecided: number
  /** The list is ordered by how many times the usual its locks are held. */
  byUsual: boolean
}

export function summarize(list: ListState): string {
  const { total, shown, narrowed, truncated } = list
  const locks = `${count(total)} ${total === 1 ? 'lock' : 'locks'}`
  const read = truncated ? `first ${locks} by name` : locks
  const head = narrowed ? `${count(shown)} of ${truncated ? 'the ' : ''}${read}` : read
  if (!list.complete) return `${head}, loading…`
  const notes = [
    truncated && 'filter by prefix to find others',
    list.undecided > 0 && `at most ${MAX_HOLDERS_SHOWN} holders of each are searched`,
    list.byUsual &&
      shown > MAX_HOLD_STATISTICS &&
      `the ${MAX_HOLD_STATISTICS} held longest are ordered by usual hold`,
  ]
  return [head, ...notes.filter(Boolean)].join('; ')
}
