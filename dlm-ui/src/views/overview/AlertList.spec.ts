import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import type { Alert, BlockedAlert } from '../../lib/alerts'
import AlertList from './AlertList.vue'

const since = new Date(Date.now() - 600_000).toISOString()

function blocked(resource: string, part: Partial<BlockedAlert> = {}): BlockedAlert {
  return {
    kind: 'blocked',
    resource,
    blocker: 'deploy',
    holderCount: 1,
    waiterCount: 140,
    waitingSince: since,
    heldSince: null,
    ...part,
  }
}

function setup(alerts: Alert[], more = 0, waitMs = 30_000) {
  const wrapper = mount(AlertList, {
    props: { alerts, more, waitMs },
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

test('a lock that is held for long is one line, also if it is waited for for long', () => {
  const { lines, wrapper } = setup([
    blocked('db/main', { waitingSince: null, heldSince: since }),
    blocked('db/other', { heldSince: new Date(Date.now() - 720_000).toISOString() }),
  ])
  expect(lines()).toEqual([
    'db/main held for 10 min by deploy while others wait',
    'deploy blocks 140 on db/other, oldest 10 min, held for 12 min',
  ])
  expect(wrapper.findAllComponents(RouterLinkStub)).toHaveLength(4)
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
  expect(setup([], 0, 60_000).text()).toMatch(/No wait is longer than 1 min,/)
  expect(setup([], 3, 20_000).text()).toBe('Needs attention3 more waits over 20 s')
})

test('below other lines fewer are shown, but two at least', async () => {
  const { wrapper, lines } = setup(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => blocked(name)))
  expect(lines()).toHaveLength(5)
  for (const [linesAbove, shown] of [
    [1, 4],
    [3, 2],
    [9, 2],
  ] as const) {
    await wrapper.setProps({ linesAbove })
    expect(lines()).toHaveLength(shown)
    expect(wrapper.get('button').text()).toBe(`Show ${7 - shown} more`)
  }
})
