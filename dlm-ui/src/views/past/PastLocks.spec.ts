import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api } from '../../api/client'
import { deferred } from '../../composables/testing'
import type { PastState } from '../../api/types'
import { pastHolder, pastLock, pastState, pastWaiter } from '../../state/testData'
import { useSignIn } from '../../stores/signIn'
import { mountView } from '../testing'
import PastLocks from './PastLocks.vue'

const stateAt = vi.spyOn(api, 'stateAt')
const AT = pastState([]).at
let unmount = () => {}

async function setup(query = '') {
  const { wrapper, router } = await mountView(PastLocks, `/locks?at=${AT}${query}`)
  unmount = () => wrapper.unmount()
  return { wrapper, router, rows: () => wrapper.findAll('[data-testid=past]').map((row) => row.text()) }
}

beforeEach(() => {
  stateAt.mockReset()
})
afterEach(() => unmount())

test('a lock has its holders, its waiters and how long these had lasted', async () => {
  const lock = pastLock('orders', {
    holders: [pastHolder('deploy', 7), pastHolder('other', 8, { acquired_at: null })],
    holder_count: 5,
    waiters: [pastWaiter('api-7')],
    queue_len: 140,
  })
  stateAt.mockResolvedValue(pastState([lock, pastLock('free', { waiters: [pastWaiter('x')] })]))
  const { rows, wrapper } = await setup()
  expect(rows()[0]).toMatch(/deploy,\s+token 7,\s+for 10 min\s*; other,\s+token 8,\s+since an unknown time/)
  expect(rows()[0]).toContain('and 3 more')
  expect(rows()[0]).toMatch(/140api-7,\s+for 5 min/)
  expect(rows()[1]).toContain('free')
  expect(wrapper.get('[data-testid=count]').text()).toBe('2 locks in use')
  expect(wrapper.text()).toContain('As it was at 2026-01-01 00:30:00.000 UTC')
})

test('links lead to the same instant', async () => {
  stateAt.mockResolvedValue(pastState([pastLock('orders', { holders: [pastHolder('deploy', 7)] })]))
  const { wrapper } = await setup()
  const links = wrapper.findAll('tbody a').map((link) => link.attributes('href'))
  expect(links).toEqual([`/locks/orders?at=${AT}`, `/owners/deploy?at=${AT}`])
})

test('of more locks than are shown at once, the others are shown when asked for', async () => {
  const locks = Array.from({ length: 130 }, (_, index) => pastLock(`lock-${index}`, {}))
  stateAt.mockResolvedValue(pastState(locks, { lock_count: 5_000 }))
  const { wrapper, rows } = await setup()
  expect(rows()).toHaveLength(100)
  expect(wrapper.get('[data-testid=partial]').text()).toContain('Of 5,000 locks in use')
  await wrapper.get('.more button').trigger('click')
  expect(rows()).toHaveLength(130)
})

test('the filters of the list apply', async () => {
  const locks = [
    pastLock('a', { waiters: [pastWaiter('x')] }),
    pastLock('b', { holders: [pastHolder('Api', 1)] }),
  ]
  stateAt.mockResolvedValue(pastState(locks))
  const { wrapper, router, rows } = await setup('&owner=api&prefix=o')
  expect(stateAt.mock.lastCall?.slice(0, 2)).toEqual([AT, { prefix: 'o', limit: 1_000 }])
  expect(rows()).toHaveLength(1)
  await router.replace({ query: { at: AT, owner: 'nobody' } })
  await flushPromises()
  expect(wrapper.text()).toContain('No lock in use matches this filter')
  expect(wrapper.get('.empty a').attributes('href')).toBe(`/owners/nobody?at=${AT}`)
  await wrapper
    .findAll('button')
    .find((button) => button.text() === 'Clear filters')
    ?.trigger('click')
  await flushPromises()
  expect(router.currentRoute.value.query).toEqual({ at: AT })
  expect(rows()).toHaveLength(2)
})

test('what may no longer be seen goes at once, not with the next answer', async () => {
  stateAt.mockResolvedValueOnce(pastState([pastLock('secret', {})]))
  stateAt.mockReturnValueOnce(deferred<PastState>().promise)
  const { wrapper } = await setup()
  expect(wrapper.text()).toContain('secret')
  useSignIn().rules = [{ role: 'observe', prefix: 'mine/' }]
  await flushPromises()
  expect(stateAt).toHaveBeenCalledTimes(2)
  expect(wrapper.text()).not.toContain('secret')
})
