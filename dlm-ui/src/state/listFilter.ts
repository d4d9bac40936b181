// Filters of the list of locks beyond those of the server: by mode, owner and age.
import type { LockStatus, Mode } from '../api/types'

export const AGES = ['any', '1m', '10m', '1h', '1d'] as const
export type Age = (typeof AGES)[number]

export const AGE_MS: Record<Age, number> = {
  any: 0,
  '1m': 60_000,
  '10m': 600_000,
  '1h': 3_600_000,
  '1d': 86_400_000,
}

export interface RowFilter {
  mode: Mode | 'any'
  /** A part of the owner of one of the holders, in any case. */
  owner: string
  /** Held for at least this long. */
  age: Age
}

/** How many of the filters narrow the list down. */
export function activeFilters({ mode, owner, age }: RowFilter): number {
  return Number(mode !== 'any') + Number(owner !== '') + Number(age !== 'any')
}

/** How many rows may match, but do not list all of their holders, and none that they list has the owner. */
export function countUndecided(rows: readonly LockStatus[], filter: RowFilter, now: number): number {
  if (filter.owner === '') return 0
  const partial = rows.filter(({ holder_count, holders }) => holder_count > holders.length)
  const others = filterRows(partial, { ...filter, owner: '' }, now)
  return others.length - filterRows(partial, filter, now).length
}

export function filterRows(
  rows: readonly LockStatus[],
  filter: RowFilter,
  now: number,
): readonly LockStatus[] {
  if (activeFilters(filter) === 0) return rows
  const part = filter.owner.toLowerCase()
  const longest = now - AGE_MS[filter.age]
  return rows.filter(
    ({ mode, holders }) =>
      (filter.mode === 'any' || mode === filter.mode) &&
      (part === '' || holders.some(({ owner }) => owner.toLowerCase().includes(part))) &&
      (filter.age === 'any' || holders.some(({ acquired_at }) => Date.parse(acquired_at) <= longest)),
  )
}
