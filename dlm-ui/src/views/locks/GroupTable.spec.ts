import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import type { NameGroup } from '../../state/nameGroups'
import GroupTable from './GroupTable.vue'

function group(prefix: string, part: Partial<NameGroup> = {}): NameGroup {
  return { prefix, folder: prefix.endsWith('/'), locks: 1, held: 1, waiting: 0, oldest: null, ...part }
}

function setup(groups: NameGroup[]) {
  const wrapper = mount(GroupTable, {
    props: { groups },
    global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } },
  })
  const rows = () => wrapper.findAll('[data-testid=group]')
  return { wrapper, rows, names: () => rows().map((row) => row.get('td').text()) }
}

test('a group is looked into, and a lock has a page', async () => {
  const { wrapper, rows } = setup([group('orders/', { locks: 40 }), group('cron')])
  await rows()[0]?.get('button').trigger('click')
  expect(wrapper.emitted('open')).toEqual([['orders/']])
  expect(rows()[1]?.find('button').exists()).toBe(false)
  expect(rows()[1]?.getComponent(RouterLinkStub).props('to')).toEqual({
    name: 'lock',
    params: { name: 'cron' },
  })
})

test('groups keep their places under the pointer', async () => {
  const { wrapper, names } = setup([group('a/'), group('b/')])
  const region = wrapper.get('[role=region]')
  await region.trigger('pointerenter', { pointerType: 'mouse' })
  await wrapper.setProps({ groups: [group('b/', { waiting: 7 }), group('c/')] })
  expect(names()).toEqual(['a/', 'b/'])
  expect(wrapper.get('[data-testid=held-back]').text()).toBe('Rows held still: 1 new, 1 gone')
  await region.trigger('pointerleave', { pointerType: 'mouse' })
  expect(names()).toEqual(['b/', 'c/'])
})

test('of very many groups the first are shown, and their number is said', () => {
  const { wrapper, rows } = setup(Array.from({ length: 600 }, (_, index) => group(`g${index}/`)))
  expect(rows()).toHaveLength(500)
  expect(wrapper.text()).toContain('The first 500 of 600 groups.')
})

test('without waiters there are dashes', () => {
  const { rows } = setup([group('a/', { locks: 1_500, held: 20 })])
  expect(
    rows()[0]
      ?.findAll('td')
      .map((cell) => cell.text()),
  ).toEqual(['a/', '1,500', '20', '–', '–'])
})
