import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ref } from 'vue'
import { problem, serve } from '../api/testing'
import { held } from '../state/testData'
import { inScope, settle } from './testing'
import { useFinder } from './useFinder'

const NAMES = ['billing/invoices', 'jobs/nightly', 'orders/1', 'orders/2']

beforeEach(() => {
  vi.useFakeTimers()
  serve(({ path }) => {
    const url = new URL(path, 'http://a')
    if (url.pathname === '/v1/owners') {
      const owner = { owner: 'night-worker', holds: 1, waits: 0, blocked: 0 }
      return [200, { at: '2026-01-01T00:00:00Z', complete: true, owners: [owner], next: null }]
    }
    const prefix = url.searchParams.get('prefix') ?? ''
    const locks = NAMES.filter((name) => name.startsWith(prefix)).map((name, index) => held(name, index + 40))
    return [200, { locks, next: null, cursor: 'c' }]
  })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function find(text: string) {
  const typed = ref('')
  const { result, dispose } = inScope(() => useFinder(typed))
  await settle()
  typed.value = text
  await settle(1_000)
  const found = {
    locks: result.locks.value.map(({ row, token }) => [row.resource, token]),
    metadata: result.locks.value.flatMap(({ metadata }) => metadata ?? []),
    owners: result.owners.value.map(({ owner }) => owner),
  }
  dispose()
  return found
}

test('a lock is found by a part of its name, and owners beside it', async () => {
  expect(await find('night')).toEqual({
    locks: [['jobs/nightly', null]],
    metadata: [],
    owners: ['night-worker'],
  })
})

test('a lock is found by the token of a holder', async () => {
  expect((await find('42')).locks).toEqual([['orders/1', 42]])
})

test('a lock is found by the metadata of a holder', async () => {
  const row = held('orders/1', 1)
  const holders = row.holders.map((holder) => ({ ...holder, metadata: { build: 'Release-77' } }))
  serve(({ path }) =>
    path.startsWith('/v1/owners')
      ? [200, { at: '2026-01-01T00:00:00Z', complete: true, owners: [], next: null }]
      : [
          200,
          { locks: path.includes('prefix=release') ? [] : [{ ...row, holders }], next: null, cursor: 'c' },
        ],
  )
  expect((await find('release-7')).metadata).toEqual(['build=Release-77'])
})

test('nothing is found before something is typed', async () => {
  expect(await find('')).toEqual({ locks: [], metadata: [], owners: [] })
})

test('who may not see owners still finds locks', async () => {
  serve(({ path }) =>
    path.startsWith('/v1/owners')
      ? problem(403, 'forbidden', { required: 'observe' })
      : [200, { locks: [held('orders/1', 1)], next: null, cursor: 'c' }],
  )
  expect(await find('ord')).toEqual({ locks: [['orders/1', null]], metadata: [], owners: [] })
})
