// The hold statistics of the rows on screen, for the cells of the table.
import { inject, provide, shallowRef, type InjectionKey, type ShallowRef } from 'vue'
import type { StatisticsByName } from '../../composables/useHoldStatistics'

const KEY: InjectionKey<Readonly<ShallowRef<StatisticsByName>>> = Symbol('hold statistics')

export function provideStatistics(statistics: Readonly<ShallowRef<StatisticsByName>>): void {
  provide(KEY, statistics)
}

export function injectStatistics(): Readonly<ShallowRef<StatisticsByName>> {
  return inject(KEY, () => shallowRef(new Map()), true)
}
