import { expect, test } from 'vitest'
import { countOutcomes, namesIn, targetsOf, unlistedHolders } from './bulkRelease'
import { held, row } from './testData'

const [holder] = held('x', 1).holders
if (!holder) throw new Error('held without a holder')
const shared = held('shared', 5, {
  holders: [
    { ...holder, owner: 'api', fencing_token: 5 },
    { ...holder, owner: 'api-2', fencing_token: 6 },
  ],
  holder_count: 3,
})

test('each holder is a target of its own', () => {
  const targets = targetsOf([shared, held('a', 7), row({ resource: 'free' })], null)
  expect(targets.map(({ resource, token }) => [resource, token])).toEqual([
    ['shared', 5],
    ['shared', 6],
    ['a', 7],
  ])
})

test('an owner is matched in full', () => {
  expect(targetsOf([shared], 'api').map(({ token }) => token)).toEqual([5])
  expect(targetsOf([shared], '')).toEqual([])
})

test('holders that are not listed are counted', () => {
  expect(unlistedHolders([shared, held('a', 7)])).toBe(1)
})

test('outcomes are counted', () => {
  expect(countOutcomes(['released', 'released', 'unknown'])).toMatchObject({
    released: 2,
    unknown: 1,
    changed: 0,
  })
})

test('names are read from the state of a page, whatever it has', () => {
  expect(namesIn(['a', 7, 'b', null])).toEqual(['a', 'b'])
  expect([namesIn(undefined), namesIn('a'), namesIn({})]).toEqual([null, null, null])
})
