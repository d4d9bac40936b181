import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import type { Alert, BlockedAlert } from '../../lib/alerts'
import AlertList from './AlertList.vue'

const since = new Date(Date.now() - 600_000).toISOString()

function blocked(resource: string, part: Partial<BlockedAlert> = {}): BlockedAlert {
  return { kind: 'blocked', resource, blocker: 'deploy', holderCount: 1, waiterCount: 140, since, ...part }
}

function setup(alerts: Alert[], more = 0) {
  const wrapper = mount(AlertList, {
    props: { alerts, more },
    global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } },
  })
  const flat = (text: string) => text.replace(/\s+/g, ' ').trim()
  const lines = () => wrapper.findAll('li[data-row]').map((line) => flat(line.text()))
  return { wrapper, lines, text: () => flat(wrapper.text()) }
}

test('a blocker is named with what it blocks, and both are links', () => {
  const { wrapper, lines } = setup([blocked('migrate/db')])
  expect(lines()).toEqual(['deploy blocks 140 on migrate/db, oldest 10 min'])
  const links = wrapper.findAllComponents(RouterLinkStub).map((link) => link.props('to') as unknown)
  expect(links).toEqual([
    expect.objectContaining({ name: 'owner', params: { owner: 'deploy' } }),
    { name: 'lock', params: { name: 'migrate/db' } },
  ])
})

test('of several holders one is named, and without a holder only the waiters are told', () => {
  const { lines } = setup([
    blocked('shared', { holderCount: 3 }),
    blocked('free', { blocker: null, holderCount: 0, waiterCount: 1 }),
  ])
  expect(lines()[0]).toMatch(/^deploy and 2 more block 140 on shared,/)
  expect(lines()[1]).toMatch(/^1 waits for free,/)
})

test('leases of one owner that expired are one line', () => {
  const expired = { kind: 'expired', owner: 'crashed', at: since } as const
  const { lines } = setup([
    { ...expired, resource: 'a', count: 1 },
    { ...expired, resource: 'b', count: 4 },
    { kind: 'mass-expiration', count: 12 },
  ])
  expect(lines()[0]).toMatch(/^a – the lease of crashed expired .* without a release$/)
  expect(lines()[1]).toMatch(/^b – 4 leases of crashed expired without a release, the last /)
  expect(lines()[2]).toContain('12 leases expired within the last minute')
})

test('five lines are shown, and the others on request', async () => {
  const { wrapper, lines } = setup(Array.from({ length: 8 }, (_, index) => blocked(`lock-${index}`)))
  expect(lines()).toHaveLength(5)
  const button = wrapper.get('button')
  expect(button.text()).toBe('Show 3 more')
  await button.trigger('click')
  expect(lines()).toHaveLength(8)
  expect(button.text()).toBe('Show fewer')
})

test('lines keep their places under the pointer', async () => {
  const { wrapper, lines } = setup([blocked('a'), blocked('b')])
  await wrapper.get('ul').trigger('pointerenter', { pointerType: 'mouse' })
  await wrapper.setProps({ alerts: [blocked('b', { waiterCount: 200 }), blocked('c')] })
  expect(lines()[0]).toContain('on a,')
  expect(lines()[1]).toContain('blocks 200 on b,')
  expect(wrapper.get('[data-testid=held-back]').text()).toBe('Rows held still: 1 new, 1 gone')
  await wrapper.get('ul').trigger('pointerleave', { pointerType: 'mouse' })
  expect(lines()[0]).toContain('on b,')
})

test('all is well only if no long wait is behind another lock either', () => {
  expect(setup([]).text()).toMatch(/^No alerts.*No wait is longer than 30 s/)
  const elsewhere = setup([], 1).text()
  expect(elsewhere).toBe('Needs attention1 more wait over 30 s')
  expect(setup([blocked('a')], 7).text()).toMatch(/^Needs attentionand 7 more waits over 30 s/)
})
