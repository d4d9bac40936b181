import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ref } from 'vue'
import { api } from '../api/client'
import { problem, serve } from '../api/testing'
import type { LockPage } from '../api/types'
import { held } from '../state/testData'
import { deferred, inScope, settle } from './testing'
import { useFinder } from './useFinder'

const NAMES = ['billing/invoices', 'jobs/nightly', 'orders/1', 'orders/2']

const EMPTY_PAGE = { locks: [], next: null, cursor: 'c' }
const NO_OWNERS = { at: '2026-01-01T00:00:00Z', complete: true, owners: [], next: null }

/** A server with these names, of which a search looks at this many a request. All or none are held. */
function serveNames(names: readonly string[], { perRequest = names.length, held: areHeld = true } = {}) {
  return serve(({ path }) => {
    const url = new URL(path, 'http://a')
    if (url.pathname === '/v1/owners') {
      const owner = { owner: 'night-worker', holds: 1, waits: 0, blocked: 0 }
      return [200, { ...NO_OWNERS, owners: [owner] }]
    }
    if (!areHeld && url.searchParams.get('state') === 'held') return [200, EMPTY_PAGE]
    const { prefix = '', contains = '', after = '', limit } = Object.fromEntries(url.searchParams)
    const rest = names.filter((name) => name > after && name.startsWith(prefix))
    const looked = contains === '' ? rest : rest.slice(0, perRequest)
    const found = looked.filter((name) => name.includes(contains.toLowerCase())).slice(0, Number(limit))
    const more = found.length === Number(limit) || looked.length < rest.length
    const last = found.length === Number(limit) ? found.at(-1) : looked.at(-1)
    const locks = found.map((name) => held(name, names.indexOf(name) + 40))
    return [200, { locks, next: more ? last : null, cursor: 'c' }]
  })
}

beforeEach(() => {
  vi.useFakeTimers()
  serveNames(NAMES)
})
afterEach(() => {
  vi.useRealTimers()
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
      ? [200, NO_OWNERS]
      : [
          200,
          {
            locks: /(prefix|contains)=release/.test(path) ? [] : [{ ...row, holders }],
            next: null,
            cursor: 'c',
          },
        ],
  )
  expect((await find('release-7')).metadata).toEqual(['build=Release-77'])
})

test('holders that a row does not list were not searched', async () => {
  const setup = async (holderCount: number) => {
    const locks = [held('sh/many', 120, { mode: 'shared', holder_count: holderCount })]
    serve(({ path }) => [200, path.startsWith('/v1/owners') ? NO_OWNERS : { ...EMPTY_PAGE, locks }])
    const { result, dispose } = inScope(() => useFinder(ref('')))
    await settle()
    dispose()
    return result.unlisted.value
  }
  expect(await setup(1)).toBe(false)
  expect(await setup(120)).toBe(true)
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

test('names that one request did not reach are searched by the next ones', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `lock/${String(index).padStart(2, '0')}`)
  const sent = serveNames([...names, 'tail/needle'], { perRequest: 10, held: false })
  const typed = ref('')
  const { result, dispose } = inScope(() => useFinder(typed))
  typed.value = 'needle'
  await settle()
  expect(result.names.value).toBe('searching')
  await settle(1_000)
  expect(result.names.value).toBe('complete')
  expect(result.locks.value.map(({ row }) => row.resource)).toEqual(['tail/needle'])
  const searches = sent.filter(({ path }) => path.includes('contains=needle') && path.includes('state=all'))
  expect(searches).toHaveLength(4)
  dispose()
})

test('a search that found enough names ends, and is not called complete', async () => {
  const sent = serveNames(Array.from({ length: 90 }, (_, index) => `job/${String(index).padStart(2, '0')}`))
  const typed = ref('job')
  const { result, dispose } = inScope(() => useFinder(typed))
  typed.value = 'ob/'
  await settle(1_000)
  expect(result.names.value).toBe('in-part')
  expect(result.locks.value).toHaveLength(8)
  expect(sent.filter(({ path }) => path.includes('contains=ob'))).toHaveLength(2) // Of names and of owners.
  dispose()
})

test('what was typed before is not searched any further', async () => {
  const find = vi.spyOn(api, 'find')
  const first = deferred<LockPage>()
  find.mockReturnValueOnce(first.promise).mockResolvedValue(EMPTY_PAGE)
  const typed = ref('')
  const { result, dispose } = inScope(() => useFinder(typed))
  typed.value = 'lost'
  await settle(200)
  typed.value = 'other'
  await settle(200)
  first.resolve({ locks: [held('the other one', 1)], next: 'x', cursor: 'c' })
  await settle(1_000)
  expect(find.mock.calls.map(([text, , after]) => [text, after])).toEqual([
    ['lost', null],
    ['other', null],
  ])
  expect(result.locks.value).toEqual([])
  dispose()
  find.mockRestore()
})

test('names are not called searched if the server failed', async () => {
  serve(({ path }) => (path.includes('contains=') ? problem(503, 'unavailable') : [200, EMPTY_PAGE]))
  const typed = ref('')
  const { result, dispose } = inScope(() => useFinder(typed))
  typed.value = 'a'
  await settle(1_000)
  expect(result.names.value).toBe('in-part')
  dispose()
})
