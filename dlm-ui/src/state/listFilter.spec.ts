import { expect, test } from 'vitest'
import { countUndecided, filterRows, type RowFilter } from './listFilter'
import { held, row } from './testData'

const NONE: RowFilter = { mode: 'any', owner: '', age: 'any' }
const NOW = Date.parse('2099-01-01T00:10:00.000Z')

function names(filter: Partial<RowFilter>): string[] {
  const [holder] = held('x', 1).holders
  if (!holder) throw new Error('held without a holder')
  const rows = [
    held('old', 1, { holders: [{ ...holder, owner: 'API-7' }] }),
    held('young', 2, { holders: [{ ...holder, owner: 'batch', acquired_at: '2099-01-01T00:09:30.000Z' }] }),
    held('read', 3, { mode: 'shared' }),
    row({ resource: 'free' }),
  ]
  return filterRows(rows, { ...NONE, ...filter }, NOW).map(({ resource }) => resource)
}

test('without a filter all rows are there', () => {
  expect(names({})).toEqual(['old', 'young', 'read', 'free'])
})

test('rows are filtered by mode', () => {
  expect(names({ mode: 'shared' })).toEqual(['read'])
})

test('rows are filtered by a part of the owner, in any case', () => {
  expect(names({ owner: 'pi' })).toEqual(['old'])
})

test('rows are filtered by how long they are held', () => {
  expect(names({ age: '1m' })).toEqual(['old', 'read'])
  expect(names({ age: '1h' })).toEqual([])
})

test('a row that does not list all holders is undecided, unless one that it lists or another filter decides', () => {
  const rows = [
    held('listed', 1),
    held('part', 2, { mode: 'shared', holder_count: 120 }),
    row({ resource: 'free' }),
  ]
  const undecided = (filter: Partial<RowFilter>) => countUndecided(rows, { ...NONE, ...filter }, NOW)
  expect(undecided({ owner: 'reader-115' })).toBe(1)
  expect(undecided({ owner: 'ONE' })).toBe(0)
  expect(undecided({ owner: 'reader-115', mode: 'exclusive' })).toBe(0)
  expect(undecided({ owner: 'reader-115', age: '1h' })).toBe(0)
  expect(undecided({})).toBe(0)
})

test('filters add up', () => {
  expect(names({ age: '1m', mode: 'exclusive' })).toEqual(['old'])
})
