import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import type { OwnerSummary } from '../../api/types'
import OwnersTable from './OwnersTable.vue'

function summary(owner: string, part: Partial<OwnerSummary> = {}): OwnerSummary {
  return { owner, blocked: 0, holds: 1, waits: 0, ...part }
}

function setup(owners: OwnerSummary[]) {
  const wrapper = mount(OwnersTable, {
    props: { owners },
    global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } },
  })
  const rows = () => wrapper.findAll('[data-testid=owner]')
  return { wrapper, rows, names: () => rows().map((row) => row.get('td').text()) }
}

test('owners keep their places under the pointer, and those that are gone are faint', async () => {
  const { wrapper, rows, names } = setup([summary('one'), summary('two')])
  const region = wrapper.get('[role=region]')
  await region.trigger('pointerenter', { pointerType: 'mouse' })
  await wrapper.setProps({ owners: [summary('three', { blocked: 9 }), summary('one', { blocked: 5 })] })
  expect(names()).toEqual(['one', 'two'])
  // What is there is up to date.
  expect(rows()[0]?.text()).toContain('5')
  expect(rows().map((row) => row.classes('muted'))).toEqual([false, true])
  expect(wrapper.get('[data-testid=held-back]').text()).toBe('Rows held still: 1 new, 1 gone')
  await region.trigger('pointerleave', { pointerType: 'mouse' })
  expect(names()).toEqual(['three', 'one'])
})

test('there is a column for principals only if somebody has one', () => {
  const heads = (owners: OwnerSummary[]) =>
    setup(owners)
      .wrapper.findAll('th')
      .map((head) => head.text())
  expect(heads([summary('one')])).not.toContain('Principal')
  expect(heads([summary('one'), summary('two', { principal: 'team' })])).toContain('Principal')
})

test('one owner of two principals is two rows, each with a page of its own', () => {
  const { wrapper, rows } = setup([
    summary('api', { principal: 'team-a' }),
    summary('api', { principal: 'team-b' }),
  ])
  expect(rows()).toHaveLength(2)
  const pages = wrapper.findAllComponents(RouterLinkStub).map((link) => link.props('to') as { query: object })
  expect(pages.map(({ query }) => query)).toEqual(
    expect.arrayContaining([{ principal: 'team-a' }, { principal: 'team-b' }]),
  )
})

test('what an owner does not do is a dash, and what it blocks stands out', () => {
  const { rows } = setup([summary('one', { holds: 0, waits: 2, blocked: 1_200 })])
  const cells = rows()[0]
    ?.findAll('td')
    .map((cell) => cell.text())
  expect(cells).toEqual(['one', '1,200', '–', '2', '–', '–'])
  expect(rows()[0]?.get('strong').text()).toBe('1,200')
})
