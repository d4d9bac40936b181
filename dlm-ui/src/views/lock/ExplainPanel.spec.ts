import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test } from 'vitest'
import type { Explanation } from '../../api/types'
import { useClock } from '../../stores/clock'
import ExplainPanel from './ExplainPanel.vue'

const NOW = Date.parse('2026-01-01T01:00:00.000Z')
const ago = (ms: number) => new Date(NOW - ms).toISOString()

const explanation: Explanation = {
  at: ago(0),
  resource: 'job',
  holders: [
    {
      owner: 'deploy',
      mode: 'exclusive',
      fencing_token: 7,
      acquired_at: ago(38_000),
      expires_at: ago(-60_000),
    },
  ],
  holder_count: 1,
  queue_len: 3,
  next: [{ owner: 'next', mode: 'exclusive', position: 1, enqueued_at: ago(20_000) }],
  hold: { samples: 4, p50_ms: 1_000, p95_ms: 2_000, max_ms: 2_500, recent_ms: [1, 2], since: ago(90_000) },
  estimated_release_in_ms: 0,
  waiter: null,
}

beforeEach(() => setActivePinia(createPinia()))

function setup(part: Partial<Explanation> = {}) {
  useClock().now = NOW
  const global = { stubs: { RouterLink: RouterLinkStub } }
  const wrapper = mount(ExplainPanel, { props: { explanation: { ...explanation, ...part } }, global })
  const text = (id: string) => wrapper.get(`[data-testid=${id}]`).text().replace(/\s+/g, ' ')
  return Object.assign(text, { wrapper })
}

test('a hold of many times the usual length is remarked on', () => {
  const shown = setup()
  expect(shown('blocked-by')).toContain('deploy, for 38 s')
  expect(shown('remark')).toBe('now 38 × the usual')
  expect(shown('usual')).toContain('p50 1.0 s')
  expect(shown('release')).toMatch(/^Overdue/)
})

test('a holder that waits for another lock is said to, and one that waits for this lock to be in its queue', () => {
  const waiting = (waits_for: string) => {
    const holders = explanation.holders.map((holder) => ({ ...holder, waits_for }))
    return setup({ holders })('blocked-by')
  }
  expect(waiting('schema')).toContain('deploy, for 38 s, itself waiting for schema')
  expect(waiting('job')).toContain('deploy, for 38 s, and also in the queue of this lock')
})

test('it names who would be next, and how many are behind', () => {
  expect(setup()('next')).toBe('next (exclusive), waiting for 20 s – 2 more behind')
})

test('what is not known is said to be unknown', () => {
  const shown = setup({ hold: null, estimated_release_in_ms: null })
  expect(shown('usual')).toBe('no earlier hold in the event log')
  expect(shown('release')).toMatch(/^Unknown/)
})

test('while a holder waits for another lock nothing is estimated from past holds', () => {
  expect(setup({ estimated_release_in_ms: null })('release')).toBe('Unknown: a holder waits for another lock')
})

test('the turn of the owner that was asked for is estimated', () => {
  const waiter = { owner: 'me', mode: 'exclusive', position: 3, enqueued_at: ago(5_000) } as const
  const turn = (estimated_wait_ms: number | null, part: Partial<Explanation> = {}) =>
    setup({ waiter: { ...waiter, estimated_wait_ms }, ...part })('turn')
  expect(turn(61_000, { estimated_release_in_ms: 60_000 })).toBe(
    'is at position 3, with about 1 min 1 s to wait, by past holds',
  )
  expect(turn(null)).toContain('can’t be estimated')
})

test('an estimated turn does not run down once the release is overdue', () => {
  const waiter = { owner: 'me', mode: 'exclusive', position: 3, enqueued_at: ago(5_000) } as const
  const turn = (estimated_wait_ms: number, estimated_release_in_ms: number) =>
    setup({ at: ago(4_000), estimated_release_in_ms, waiter: { ...waiter, estimated_wait_ms } })('turn')
  expect(turn(12_000, 10_000)).toContain('with about 8.0 s to wait, by past holds')
  expect(turn(5_000, 3_000)).toContain('with about 2.0 s to wait after the release')
  expect(turn(2_000, 0)).toContain('with about 2.0 s to wait after the release')
  expect(turn(0, 0)).toBe('is at position 3, and next after the release')
})

test('what is overdue stays so though the page’s clock is behind', () => {
  expect(setup({ at: ago(-30), estimated_release_in_ms: 0 })('release')).toMatch(/^Overdue/)
})

test('an estimate runs down between two answers', () => {
  const shown = setup({ at: ago(4_000), estimated_release_in_ms: 10_000 })
  expect(shown('release')).toMatch(/^In about 6\.0 s/)
  expect(setup({ at: ago(4_000), estimated_release_in_ms: 3_000 })('release')).toMatch(/^Overdue/)
})

test('a queue of which all are away has no next holder', () => {
  expect(setup({ next: [] })('next')).toBe('nobody: all who wait are away – 3 more behind')
})

test('with authentication those who hold, are next or were asked for have principals that are links', () => {
  const waiter = { owner: 'next', mode: 'exclusive', position: 1, enqueued_at: ago(20_000) } as const
  const shown = setup({
    holders: explanation.holders.map((holder) => ({ ...holder, principal: 'ci' })),
    next: [{ ...waiter, principal: 'api' }],
    waiter: { ...waiter, principal: 'ops', estimated_wait_ms: null },
  })
  expect(shown('blocked-by')).toContain('deploy as ci, for 38 s')
  expect(shown('next')).toContain('next as api (exclusive), waiting for 20 s')
  const links = shown.wrapper.findAllComponents(RouterLinkStub).map((link) => link.props('to') as unknown)
  for (const principal of ['ci', 'api', 'ops'])
    expect(links).toContainEqual({ name: 'principal', params: { principal } })
})
