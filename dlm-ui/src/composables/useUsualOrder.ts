// Some rows of a list first, ordered by how many times the usual their lock is held. Only of these it is known.
import { computed, shallowRef, watch, type Ref } from 'vue'
import type { LockStatus } from '../api/types'
import { rankByUsual } from '../state/holds'
import { useConnection } from '../stores/connection'
import type { StatisticsByName } from './useHoldStatistics'

export interface UsualOrderOptions {
  rows: () => readonly LockStatus[]
  /** Those of the rows whose statistics are read. */
  candidates: () => readonly LockStatus[]
  statistics: Readonly<Ref<StatisticsByName>>
  /** Whether the rows are ordered so. */
  active: () => boolean
  reversed: () => boolean
  /** While true, no row moves. */
  frozen: () => boolean
}

export function useUsualOrder(options: UsualOrderOptions) {
  const { rows, candidates, statistics, active, reversed, frozen } = options
  const connection = useConnection()
  /** The names of the candidates, in order. */
  const order = shallowRef<readonly string[]>([])

  watch(
    [candidates, statistics, active, reversed, frozen],
    () => {
      if (!active() || frozen()) return
      order.value = rankByUsual(candidates(), statistics.value, connection.asOf, reversed())
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
