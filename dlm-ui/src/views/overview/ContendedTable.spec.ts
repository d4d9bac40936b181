import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import type { ContendedLock } from '../../api/types'
import ContendedTable from './ContendedTable.vue'

const AT = '2026-01-01T00:00:00.000Z'

function contended(resource: string, part: Partial<ContendedLock> = {}): ContendedLock {
  const one = { owner: 'api-7', queue_len: 1, holder_count: 1, oldest_enqueued_at: AT, acquired_at: AT }
  return { resource, ...one, ...part }
}

function setup(locks: ContendedLock[]) {
  const wrapper = mount(ContendedTable, {
    props: { locks },
    global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } },
  })
  const rows = () => wrapper.findAll('tbody tr')
  const cell = (label: string) =>
    rows().map((row) => row.get(`[data-label="${label}"]`).text().replace(/\s+/g, ' '))
  return { wrapper, rows, cell }
}

test('rows keep their places under the pointer, and show their latest figures', async () => {
  const { wrapper, cell } = setup([contended('a'), contended('b')])
  const region = wrapper.get('[role=region]')
  await region.trigger('pointerenter', { pointerType: 'mouse' })
  await wrapper.setProps({ locks: [contended('b', { queue_len: 40 }), contended('a', { queue_len: 3 })] })
  expect(cell('Lock')).toEqual(['a', 'b'])
  expect(cell('Waiters')).toEqual(['3', '40'])
  await region.trigger('pointerleave', { pointerType: 'mouse' })
  expect(cell('Lock')).toEqual(['b', 'a'])
})

test('of several holders the first is named and the others are counted', () => {
  const { cell } = setup([contended('a', { holder_count: 120 }), contended('b')])
  expect(cell('Holder')).toEqual(['api-7 and 119 more', 'api-7'])
})

test('a lock between two holders is free and held for no time', () => {
  const { cell } = setup([contended('a', { holder_count: 0, owner: '', acquired_at: null })])
  expect([cell('Holder'), cell('Held for')]).toEqual([['free'], ['–']])
})

test('without a contended lock it says so, and nothing can be exported', () => {
  const { wrapper, rows } = setup([])
  expect(wrapper.text()).toContain('No contended locks.')
  expect(rows()).toEqual([])
  expect(wrapper.get('button[aria-label^=Export]').attributes('disabled')).toBeDefined()
})
