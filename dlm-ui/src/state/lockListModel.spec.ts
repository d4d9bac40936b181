import { expect, test } from 'vitest'
import type { LockStatus, StateFilter } from '../api/types'
import { LockListModel } from './lockListModel'
import type { Sort } from './sort'
import { event, granted, held, row } from './testData'

const BY_NAME: Sort = { key: 'name', reversed: false }

function loaded(filter: StateFilter, ...rows: LockStatus[]): LockListModel {
  const model = new LockListModel(filter)
  model.addPage(rows)
  model.finishLoading({ truncated: false })
  return model
}

const names = (rows: readonly LockStatus[]) => rows.map((row) => row.resource)

test('pages and events are joined by version', () => {
  const model = new LockListModel('held')
  model.addPage([held('a', 3)])
  model.applyEvent(event('released', 2, { fencing_token: 1 }))
  model.applyEvent(granted(5, 5, { resource: 'b' }))
  model.addPage([held('b', 5)])
  model.finishLoading({ truncated: false })
  expect(names(model.sorted(BY_NAME))).toEqual(['a', 'b'])
  expect(model.startFetches([], 8)).toEqual([])
})

test('events of unknown locks are applied once all pages are loaded', () => {
  const model = new LockListModel('held')
  model.applyEvent(granted(1, 1, { resource: 'b' }))
  expect(model.size).toBe(0)
  model.finishLoading({ truncated: false })
  expect(names(model.sorted(BY_NAME))).toEqual(['b'])
})

test('a truncated list ignores locks that it does not contain', () => {
  const model = new LockListModel('held')
  model.addPage([held('a', 1)])
  model.finishLoading({ truncated: true })
  model.applyEvent(granted(1, 1, { resource: 'b' }))
  expect(names(model.sorted(BY_NAME))).toEqual(['a'])
})

test('a lock that is released and granted again keeps its version in between', () => {
  const model = loaded('held', held('a', 1))
  model.sorted(BY_NAME)
  model.applyEvent(event('released', 2, { fencing_token: 1 }))
  model.applyEvent(granted(3, 2))
  expect(model.sorted(BY_NAME)[0]).toMatchObject({ version: 3, current_token: 2 })
  expect(model.startFetches([], 8)).toEqual([])
})

test('visible rows are fetched first, and no row is fetched twice at a time', () => {
  const model = loaded('held', held('a', 1), held('b', 1), held('c', 1))
  for (const name of ['a', 'b', 'c']) model.invalidate(name)
  expect(model.startFetches(['c'], 2)).toEqual(['c', 'a'])
  model.invalidate('c')
  expect(model.startFetches(['c'], 3)).toEqual(['b'])
  model.failFetch('a', true)
  expect(model.startFetches([], 3)).toEqual(['a'])
})

test('events that arrive during a fetch are applied to its result', () => {
  const model = loaded('held')
  model.invalidate('a')
  model.startFetches([], 8)
  model.applyEvent(event('released', 3, { fencing_token: 2 }))
  model.finishFetch('a', held('a', 2))
  expect(model.size).toBe(0)
})

test('an update in place neither adds nor removes rows', () => {
  const model = loaded('held', held('b', 1), held('c', 1))
  const shown = model.sorted(BY_NAME)
  model.applyEvent(granted(1, 1, { resource: 'a' }))
  model.applyEvent(event('released', 2, { resource: 'c', fencing_token: 1 }))
  const inPlace = model.updatedInPlace(shown)
  expect(names(inPlace)).toEqual(['b', 'c'])
  expect(inPlace[1]?.state).toBe('free')
  expect(model.hasChanges).toBe(true)
  expect(model.heldBack).toEqual({ added: 1, gone: 1 })
  expect(names(model.reordered(inPlace, BY_NAME))).toEqual(['a', 'b'])
  expect(model.hasChanges).toBe(false)
  expect(model.heldBack).toEqual({ added: 0, gone: 0 })
})

test('a row that no longer passes the filter is not fetched', () => {
  const model = loaded('waiting', held('a', 1, { queue_len: 1 }))
  model.invalidate('a')
  model.applyEvent(event('cancelled', 2, { queue_len: 0 }))
  expect(model.startFetches([], 8)).toEqual([])
})

test('a lock that a reload meets between two holders stays, and is fetched', () => {
  const previous = loaded('held', held('hot', 5, { queue_len: 3 }), held('quiet', 1))
  const model = new LockListModel('held')
  model.addPage([])
  model.keepHandedOver(previous)
  model.finishLoading({ truncated: false })
  expect(names(model.sorted(BY_NAME))).toEqual(['hot'])
  expect(model.startFetches([], 8)).toEqual(['hot'])
  model.finishFetch('hot', row({ resource: 'hot', version: 9 }))
  expect(names(model.sorted(BY_NAME))).toEqual([])
})

test('a renewal extends the row', () => {
  const model = loaded('held', held('a', 1))
  const expires_at = '2099-01-01T00:05:00.000Z'
  model.applyRenewal({ type: 'renewed', resource: 'a', fencing_token: 1, expires_at })
  expect(model.sorted(BY_NAME)[0]?.holders[0]?.expires_at).toBe(expires_at)
})
