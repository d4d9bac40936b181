import { expect, test } from 'vitest'
import { editDistance, nearNames, searchableParts } from './nearNames'

test.each([
  ['', '', 0],
  ['orders', 'orders', 0],
  ['orders', 'order', 1],
  ['orders', 'orderss', 1],
  ['orders', 'ordxrs', 1],
  ['orders', 'oredrs', 1],
  ['kitten', 'sitting', 3],
])('%s becomes %s with %d edits', (from, to, edits) => {
  expect(editDistance(from, to, 3)).toBe(edits)
  expect(editDistance(to, from, 3)).toBe(edits)
})

test('more edits than asked for are not counted', () => {
  expect(editDistance('kitten', 'sitting', 2)).toBeNull()
  expect(editDistance('abcdef', 'uvwxyz', 3)).toBeNull()
})

test.each([
  ['zy/slow', ['slow']],
  ['eu/orders/42', ['orders', '42']],
  ['a/b/c/d/', ['c', 'd']],
  ['leader', ['leader']],
  ['a/b/b', ['b']],
  ['/', []],
])('names similar to %s are searched by %j', (name, parts) => {
  expect(searchableParts(name)).toEqual(parts)
})

test('the most similar names come first, and others not at all', () => {
  const names = ['orders/42', 'Orders/43', 'orders/4', 'oredrs/42', 'billing/42', 'orders/43']
  expect(nearNames('orders/43', names, 3)).toEqual(['Orders/43', 'orders/4', 'orders/42'])
  expect(nearNames('a', ['b', 'bc', 'a'], 5)).toEqual(['b'])
})
