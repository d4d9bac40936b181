// The views of the past other than the list of locks.
import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Component } from 'vue'
import { api } from '../../api/client'
import { granted, pastHolder, pastLock, pastState, pastWaiter } from '../../state/testData'
import { useSignIn } from '../../stores/signIn'
import { mountView } from '../testing'
import PastEvents from './PastEvents.vue'
import PastLock from './PastLock.vue'
import PastOverview from './PastOverview.vue'
import PastOwner from './PastOwner.vue'
import PastOwners from './PastOwners.vue'

const stateAt = vi.spyOn(api, 'stateAt')
const newest = vi.spyOn(api, 'newestEvents')
const AT = pastState([]).at
let unmount = () => {}

async function setup(view: Component, path: string) {
  const { wrapper, router } = await mountView(view, path)
  unmount = () => wrapper.unmount()
  const rows = (id: string) => wrapper.findAll(`[data-testid=${id}]`).map((row) => row.text())
  return { wrapper, router, rows }
}

beforeEach(() => {
  stateAt.mockReset()
  newest.mockReset().mockResolvedValue({ events: [], cursor: 'c' })
})
afterEach(() => unmount())

const blocked = pastLock('orders', {
  holders: [pastHolder('importer', 7, { waits_for: 'schema' })],
  waiters: [pastWaiter('worker')],
  queue_len: 140,
})
const schema = pastLock('schema', {
  holders: [pastHolder('migration', 8, { acquired_at: null })],
  waiters: [pastWaiter('importer')],
  blocked: 141,
})

test('the overview has figures, and the longest waits with who blocks them', async () => {
  stateAt.mockResolvedValue(pastState([blocked, schema]))
  const { rows, wrapper } = await setup(PastOverview, `/?at=${AT}`)
  expect(stateAt.mock.lastCall?.[1]).toEqual({ longestWaitsFirst: true, limit: 1_000 })
  expect(rows('figure')).toEqual(['2', '2', '141'])
  expect(rows('queue')[0]).toMatch(
    /orders140worker,\s+for 5 minimporter,\s+for 10 min, waiting itself for schema/,
  )
  expect(rows('queue')[1]).toMatch(/schema1importer,\s+for 5 minmigration,\s+since an unknown time/)
  expect(wrapper.find('[data-testid=partial]').exists()).toBe(false)
})

test('the overview says who waited for whom, as it was at each instant', async () => {
  stateAt.mockResolvedValueOnce(pastState([blocked, schema]))
  const { wrapper, router } = await setup(PastOverview, `/?at=${AT}`)
  const chains = () => wrapper.get('[aria-labelledby=wait-chains]')
  const text = () => chains().text().replace(/\s+/g, ' ')
  expect(text()).toMatch(
    /^Who waited for whom.*importer, holding orders \(blocked 140\), waited for migration, holding schema – 141 waited behind it, oldest 5 min$/,
  )
  expect(
    chains()
      .findAll('a')
      .map((link) => link.attributes('href')),
  ).toContain(`/locks/schema?at=${AT}`)

  // Rows under the pointer stay those of the instant that is shown.
  await chains().get('.lines').trigger('pointerenter', { pointerType: 'mouse' })
  const later = '2026-01-01T00:31:00.000Z'
  const pair = (resource: string, owner: string, waits_for: string) =>
    pastLock(resource, {
      holders: [pastHolder(owner, 9, { waits_for })],
      waiters: [pastWaiter('other')],
      blocked: 2,
    })
  const holders = [
    { resource: 'a', owner: 'x', fencing_token: 9 },
    { resource: 'b', owner: 'y', fencing_token: 9 },
  ]
  const deadlock = { at: later, possible_deadlocks: [{ holders }] }
  const shared = pastLock('c', {
    holders: [pastHolder('z', 1)],
    holder_count: 120,
    waiters: [pastWaiter('w')],
  })
  stateAt.mockResolvedValueOnce(pastState([pair('a', 'x', 'b'), pair('b', 'y', 'a'), shared], deadlock))
  await router.replace({ query: { at: later } })
  await flushPromises()
  expect(text()).toMatch(
    /^Who waited for whom ?some holders or waiters were left out.*Possible deadlock: x, holding a \(would have freed 1 directly, 2 in all\), waited for y, holding b \(would have freed 1 directly, 2 in all\), waited for x – oldest wait 6 min$/,
  )
})

test('of a part of the locks the overview says so, and its figures are the least', async () => {
  const held = pastState([blocked], { lock_count: 4_000, lease_count: 4_100, complete: false })
  stateAt.mockResolvedValueOnce(held)
  const { rows, wrapper, router } = await setup(PastOverview, `/?at=${AT}`)
  expect(rows('figure')).toEqual(['at least 4,000', 'at least 4,100', 'at least 140'])
  // What is left out was not waited for.
  expect(rows('partial')).toEqual([])
  stateAt.mockResolvedValueOnce({ ...held, waiter_count: 2_000 })
  await router.replace({ query: { at: '2026-01-01T00:31:00.000Z' } })
  await flushPromises()
  expect(rows('partial')[0]).toMatch(
    /^Of 4,000 locks in use, this is from the first\s+1 by their longest waits/,
  )
  expect(wrapper.find('[data-testid=incomplete]').exists()).toBe(true)
})

test('a lock has its holders, its queue and its events up to the instant', async () => {
  stateAt.mockResolvedValue(pastState([blocked], { lock_count: 3 }))
  newest.mockResolvedValue({ events: [granted(1, 7, { owner: 'importer' })], cursor: 'c' })
  const { rows, wrapper } = await setup(PastLock, `/locks/orders?at=${AT}`)
  expect(stateAt.mock.lastCall?.slice(0, 2)).toEqual([AT, { prefix: 'orders', limit: 1 }])
  expect(newest.mock.lastCall?.[0]).toEqual({ resource: 'orders', to: '2026-01-01T00:30:00.001Z' })
  expect(rows('holder')[0]).toMatch(/importer.*exclusive7for 10 min/)
  expect(rows('waiter')).toEqual([expect.stringMatching(/^1worker.*for 5 min$/)])
  expect(wrapper.text()).toContain('showing the first 1 of 140')
  expect(rows('event')).toHaveLength(1)
  expect(wrapper.text()).toContain('Holders over time')
  // Locks whose names begin with that of this one are no part of it.
  expect(wrapper.find('[data-testid=partial]').exists()).toBe(false)
})

test('a lock that only others begin with was not in use', async () => {
  stateAt.mockResolvedValue(pastState([pastLock('orders/1', { holders: [pastHolder('x', 1)] })]))
  const { rows } = await setup(PastLock, `/locks/orders?at=${AT}`)
  expect(rows('not-in-use')[0]).toContain('Nobody held this lock')
  expect(rows('holder')).toEqual([])
})

test('if not all was read, it is not known whether a lock was in use', async () => {
  stateAt.mockResolvedValue(pastState([], { complete: false }))
  const { rows } = await setup(PastLock, `/locks/orders?at=${AT}`)
  expect(rows('not-in-use')[0]).toContain('not known')
})

test('a lock has no timeline if a hold began at a time that nothing tells', async () => {
  const unknown = pastLock('orders', { holders: [pastHolder('x', 1, { acquired_at: null })] })
  stateAt.mockResolvedValue(pastState([unknown]))
  newest.mockResolvedValue({ events: [granted(3, 2)], cursor: 'c' })
  const { wrapper, rows } = await setup(PastLock, `/locks/orders?at=${AT}`)
  expect(rows('event')).toHaveLength(1)
  expect(wrapper.text()).not.toContain('Holders over time')
})

test('a lock that one may not see is not called free', async () => {
  stateAt.mockResolvedValue(pastState([]))
  const { wrapper } = await setup(PastLock, `/locks/orders?at=${AT}`)
  useSignIn().rules = [{ role: 'observe', prefix: 'mine/' }]
  await flushPromises()
  expect(wrapper.text()).toContain('You may not see this lock')
  expect(wrapper.text()).not.toContain('Nobody held')
  expect(wrapper.text()).not.toContain('No holder')
})

test('owners have what they held, waited for and blocked, and what is not listed is counted', async () => {
  stateAt.mockResolvedValue(pastState([blocked, schema]))
  const { rows, wrapper, router } = await setup(PastOwners, `/owners?at=${AT}`)
  expect(rows('owner')[0]).toBe('importer1401110 min5 min')
  expect(rows('owner').map((row) => /^[a-z]+/.exec(row)?.[0])).toEqual(['importer', 'migration', 'worker'])
  expect(rows('owner')[1]).toContain('unknown')
  expect(rows('unlisted')[0]).toContain('0 leases and 139 waiters')
  await router.replace({ query: { at: AT, contains: 'WORK' } })
  expect(rows('owner')).toHaveLength(1)
  await router.replace({ query: { at: AT, contains: 'nobody' } })
  expect(wrapper.text()).toContain('No owner matches this filter')
})

test('an owner has what it held, what it waited for, and its history', async () => {
  stateAt.mockResolvedValue(pastState([blocked, schema]))
  newest.mockResolvedValue({ events: [granted(1, 7, { owner: 'importer' })], cursor: 'c' })
  const { rows } = await setup(PastOwner, `/owners/importer?at=${AT}`)
  expect(stateAt.mock.lastCall?.[1]).toMatchObject({ owner: 'importer' })
  expect(newest.mock.lastCall?.[0]).toMatchObject({ owner: 'importer', to: '2026-01-01T00:30:00.001Z' })
  expect(rows('hold')[0]).toMatch(/^orders.*7for 10 min140schema$/)
  expect(rows('wait')[0]).toMatch(/^schema.*1for 5 minmigration,\s+since an unknown time/)
  expect(rows('beyond')[0]).toMatch(/orders\s*, so this owner may have held or waited for more/)
  expect(rows('event')).toHaveLength(1)
})

test('those without an owner have no history of their own', async () => {
  stateAt.mockResolvedValue(pastState([pastLock('a', { holders: [pastHolder('', 1)] }), blocked]))
  const { rows, wrapper } = await setup(PastOwner, `/owners/?at=${AT}`)
  expect(rows('hold')).toHaveLength(1)
  expect(newest).not.toHaveBeenCalled()
  expect(wrapper.text()).not.toContain('History')
})

test('events are those up to the instant that match the filter', async () => {
  stateAt.mockResolvedValue(pastState([], { complete: false, lock_count: 9 }))
  newest.mockResolvedValue({ events: [granted(1, 1)], cursor: 'c' })
  const { rows, wrapper } = await setup(
    PastEvents,
    `/events?at=${AT}&owner=one&principal=api&kinds=granted&resource=a`,
  )
  expect(newest.mock.lastCall?.[0]).toMatchObject({
    owner: 'one',
    principal: 'api',
    resource: 'a',
    kinds: ['granted'],
    to: '2026-01-01T00:30:00.001Z',
  })
  expect(rows('event')).toHaveLength(1)
  // How much is known of the locks says nothing about events.
  expect(wrapper.find('[data-testid=incomplete]').exists()).toBe(false)
  newest.mockResolvedValue({ events: [], cursor: 'c' })
  await wrapper.get('[aria-label="Event kinds"] button:last-child').trigger('click')
  await flushPromises()
  expect(wrapper.text()).toContain('No event found that matches this filter')
})
