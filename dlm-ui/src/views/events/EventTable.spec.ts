import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import type { LockEvent } from '../../api/types'
import { event, granted } from '../../state/testData'
import EventTable from './EventTable.vue'

function setup(events: LockEvent[], hideName = false) {
  const wrapper = mount(EventTable, {
    props: { events, hideName },
    global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } },
  })
  const rows = () => wrapper.findAll('[data-testid=event]').map((row) => row.text())
  const hover = () => wrapper.get('[role=region]').trigger('pointerenter', { pointerType: 'mouse' })
  const leave = () => wrapper.get('[role=region]').trigger('pointerleave', { pointerType: 'mouse' })
  return { wrapper, rows, hover, leave }
}

const of = (owner: string, version: number) => granted(version, version, { owner })

test('events keep their places under the pointer, and those that arrived are counted', async () => {
  const { wrapper, rows, hover, leave } = setup([of('two', 2), of('one', 1)])
  await hover()
  await wrapper.setProps({ events: [of('three', 3), of('two', 2), of('one', 1)] })
  expect(rows()).toHaveLength(2)
  expect(rows()[0]).toContain('two')
  expect(wrapper.get('[data-testid=held-back]').text()).toBe('Rows held still: 1 new')
  await leave()
  expect(rows()).toHaveLength(3)
  expect(rows()[0]).toContain('three')
  expect(wrapper.find('[data-testid=held-back]').exists()).toBe(false)
})

test('on the page of a lock owners are links too, and its events keep their places under the pointer', async () => {
  const { wrapper, rows, hover, leave } = setup([of('one', 1)], true)
  expect(wrapper.findAllComponents(RouterLinkStub).map((link) => link.text())).toEqual(['one'])
  await hover()
  await wrapper.setProps({ events: [of('two', 2), of('one', 1)] })
  expect(rows()).toHaveLength(1)
  expect(wrapper.get('[data-testid=held-back]').text()).toBe('Rows held still: 1 new')
  await leave()
  expect(rows()).toHaveLength(2)
})

test('the focus never moves from a row that is gone to another event', async () => {
  const wrapper = mount(EventTable, {
    props: { events: [of('two', 2), of('one', 1)] },
    global: { plugins: [createPinia()], stubs: { RouterLink: { template: '<a href="#"><slot /></a>' } } },
    attachTo: document.body,
  })
  const links = wrapper.findAll('tbody a')
  const focus = (index: number) => {
    const link = links[index]?.element
    if (link instanceof HTMLElement) link.focus()
    return link
  }
  const kept = focus(0)
  await wrapper.setProps({ events: [of('two', 2)] })
  expect(document.activeElement).toBe(kept)
  await wrapper.setProps({ events: [of('three', 3)] })
  expect(wrapper.text()).toContain('three')
  expect(document.activeElement).toBe(document.body)
  wrapper.unmount()
})

test('a row says why a lease or a wait ended', () => {
  const forced = event('force_released', 3, { fencing_token: 1, by: 'ops', reason: 'host <b>gone</b>' })
  const left = event('cancelled', 4, { waited_ms: 1_500, reason: 'away' })
  const { rows } = setup([left, forced])
  expect(rows()[0]).toContain('waited 1.5 s, away too long')
  expect(rows()[1]).toContain('by ops, “host <b>gone</b>”')
})

test('the principals of grants and force-releases lead to their pages', () => {
  const events = [
    granted(1, 1, { principal: 'api' }),
    event('force_released', 2, { fencing_token: 1, by: 'ops', reason: 'gone' }),
  ]
  for (const hideName of [false, true]) {
    const { wrapper } = setup(events, hideName)
    const targets = wrapper.findAllComponents(RouterLinkStub).map((link) => link.props('to') as unknown)
    expect(targets.filter((to) => (to as { name?: string }).name === 'principal')).toEqual([
      { name: 'principal', params: { principal: 'api' } },
      { name: 'principal', params: { principal: 'ops' } },
    ])
  }
})
