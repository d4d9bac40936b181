import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import type { LockStatus, Waiter } from '../../api/types'
import { held } from '../../state/testData'
import QueueTable from './QueueTable.vue'

function waiter(position: number, part: Partial<Waiter> = {}): Waiter {
  return {
    waiter_id: `w${position}`,
    owner: `owner-${position}`,
    mode: 'exclusive',
    position,
    enqueued_at: '2027-01-01T00:00:00.000Z',
    deadline: '2027-01-01T01:00:00.000Z',
    away: false,
    ...part,
  }
}

function queued(...waiters: Waiter[]): LockStatus {
  return held('a', 1, { waiters, queue_len: waiters.length })
}

function setup(status: LockStatus) {
  const global = { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } }
  return mount(QueueTable, { props: { status }, global })
}

test('waiters are shown in their order, and those that are away marked', () => {
  const table = setup(queued(waiter(1), waiter(2, { away: true, owner: '' })))
  const rows = table.findAll('[data-testid=waiter]').map((row) => row.text())
  expect(rows[0]).toContain('owner-1')
  expect(rows[0]).toContain('waiting')
  expect(rows[1]).toContain('no owner')
  expect(rows[1]).toContain('away')
})

test('a queue that is longer than what is listed says so', () => {
  const table = setup({ ...queued(waiter(1), waiter(2)), queue_len: 1_500 })
  expect(table.get('header').text()).toContain('showing 2 of 1,500')
})

test('waiters keep their places under the pointer, and those that left are marked', async () => {
  const table = setup(queued(waiter(1), waiter(2)))
  const region = table.get('[role=region]')
  await region.trigger('pointerenter', { pointerType: 'mouse' })
  await table.setProps({ status: queued(waiter(1, { waiter_id: 'w2', owner: 'owner-2' })) })
  const rows = table.findAll('[data-testid=waiter]')
  expect(rows.map((row) => row.get('td:nth-child(2)').text())).toEqual(['owner-1', 'owner-2'])
  expect(rows[0]?.text()).toContain('gone')
  await region.trigger('pointerleave', { pointerType: 'mouse' })
  expect(table.findAll('[data-testid=waiter]')).toHaveLength(1)
})

test('an empty queue says so', () => {
  const table = setup(queued())
  expect(table.text()).toContain('No waiters.')
  expect(table.find('table').exists()).toBe(false)
})

test('a waiter has its principal, as a link to its page, if there is authentication', () => {
  const table = setup(queued(waiter(1, { principal: 'api' }), waiter(2)))
  const rows = table.findAll('[data-testid=waiter]')
  expect(rows[0]?.text()).toContain('as api')
  const links = table.findAllComponents(RouterLinkStub)
  expect(links.map((link) => link.props('to') as unknown)).toContainEqual({
    name: 'principal',
    params: { principal: 'api' },
  })
  expect(rows[1]?.text()).not.toContain('as ')
})
