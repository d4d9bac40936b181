import { expect, test } from 'vitest'
import { recycledKeys } from './recycledKeys'

const keysOf = (keys: ReadonlyMap<string, number>, ids: string[]) => ids.map((id) => keys.get(id))

test('a row keeps its key, and a new one gets that of a row that is gone', () => {
  const first = recycledKeys(undefined, ['c', 'b', 'a'])
  expect(keysOf(first, ['c', 'b', 'a'])).toEqual([0, 1, 2])
  const second = recycledKeys(first, ['d', 'c', 'b'])
  expect(keysOf(second, ['d', 'c', 'b'])).toEqual([2, 0, 1])
})

test('rows that are all replaced keep their order, so that none has to be moved', () => {
  const first = recycledKeys(undefined, ['c', 'b', 'a'])
  expect(keysOf(recycledKeys(first, ['f', 'e', 'd']), ['f', 'e', 'd'])).toEqual([0, 1, 2])
})

test('keys are distinct, also after the list was shorter', () => {
  const short = recycledKeys(recycledKeys(undefined, ['c', 'b', 'a']), ['a'])
  const ids = ['f', 'e', 'd', 'a']
  const long = recycledKeys(short, ids)
  expect(long.get('a')).toBe(2)
  expect(new Set(keysOf(long, ids)).size).toBe(4)
  expect(recycledKeys(long, [])).toEqual(new Map())
})
