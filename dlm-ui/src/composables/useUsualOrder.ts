// The first rows of a list, ordered by how many times the usual their lock is held. Only of these it is known.
import { computed, shallowRef, watch, type Ref } from 'vue'
import { MAX_HOLD_STATISTICS } from '../api/limits'
import type { LockStatus } from '../api/types'
import { rankByUsual } from '../state/holds'
import { useConnection } from '../stores/connection'
import type { StatisticsByName } from './useHoldStatistics'

export interface UsualOrderOptions {
  rows: () => readonly LockStatus[]
  statistics: Readonly<Ref<StatisticsByName>>
  /** Whether the rows are ordered so. */
  active: () => boolean
  reversed: () => boolean
  /** While true, no row moves. */
  frozen: () => boolean
}

export function useUsualOrder({ rows, statistics, active, reversed, frozen }: UsualOrderOptions) {
  const connection = useConnection()
  /** The names of the first rows, in order. */
  const order = shallowRef<readonly string[]>([])

  watch(
    [rows, statistics, active, reversed, frozen],
    () => {
      if (!active() || frozen()) return
      const first = rows().slice(0, MAX_HOLD_STATISTICS)
      order.value = rankByUsual(first, statistics.value, connection.asOf, reversed())
    },
    { immediate: true },
  )

  const ordered = computed<readonly LockStatus[]>(() => {
    if (!active()) return rows()
    const places = new Map(order.value.map((name, index) => [name, index]))
    const place = ({ resource }: LockStatus) => places.get(resource) ?? Number.MAX_SAFE_INTEGER
    // The sort is stable: the others keep the order of the list.
    return [...rows()].sort((a, b) => place(a) - place(b))
  })
  return { ordered }
}
