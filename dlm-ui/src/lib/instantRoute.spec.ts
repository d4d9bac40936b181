import { expect, test } from 'vitest'
import { atInstant, isPast } from './instantRoute'

test('an address is of the past if its view has one and it has an instant', () => {
  expect(isPast({ meta: { past: true }, query: { at: 'now' } })).toBe(true)
  expect(isPast({ meta: { past: true }, query: { at: '' } })).toBe(false)
  expect(isPast({ meta: { past: true }, query: {} })).toBe(false)
  expect(isPast({ meta: {}, query: { at: 'now' } })).toBe(false)
})

test('a link gets the instant beside what it has, or leads to the present', () => {
  expect(atInstant({ name: 'lock', query: { span: '1h' } }, 'x')).toEqual({
    name: 'lock',
    query: { span: '1h', at: 'x' },
  })
  expect(atInstant('/locks', 'x')).toEqual({ path: '/locks', query: { at: 'x' } })
  expect(atInstant({ query: { at: 'x' } }, '')).toEqual({ query: { at: undefined } })
})
