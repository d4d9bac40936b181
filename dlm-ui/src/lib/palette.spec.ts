import { expect, test } from 'vitest'
import { bestMatches, match, typedToken } from './palette'

const best = (typed: string, names: string[], limit = 10) => bestMatches(typed, names, (name) => name, limit)

test('a name is found by any part of it, in any case', () => {
  expect(best('VOI', ['billing/invoices', 'orders'])).toEqual(['billing/invoices'])
})

test('the whole name comes first, then its start, then the start of a segment', () => {
  expect(best('or', ['major', 'jobs/orders', 'orders', 'or'])).toEqual([
    'or',
    'orders',
    'jobs/orders',
    'major',
  ])
})

test('no more than asked for are found, and the best of them', () => {
  const names = [...Array.from({ length: 20 }, (_, index) => `xa${index}`), 'a']
  expect(best('a', names, 2)).toEqual(['a', 'xa0'])
})

test('everything matches what is not yet typed', () => {
  expect(match('', 'anything')).toBe(0)
})

test('a number is taken for a fencing token, too', () => {
  expect(typedToken('42')).toBe(42)
  expect(typedToken('#42')).toBe(42)
  expect(typedToken('orders/42')).toBeNull()
  expect(typedToken('12345678901234567890')).toBeNull()
})
