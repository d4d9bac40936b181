import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api } from '../../api/client'
import type { BlockedLock, ContendedLock, Overview, WaitGraph } from '../../api/types'
import LineChart from '../../components/LineChart.vue'
import { FakeStream, stream } from '../../composables/testing'
import { event, overviewAt } from '../../state/testData'
import { findChains } from '../../state/waitChains'
import { mountView } from '../testing'
import { findTroubles } from '../../lib/troubles'
import { thresholdsOf } from '../../lib/thresholds'
import { useSettings } from '../../stores/settings'
import OverviewView from './OverviewView.vue'

vi.mock('../../api/eventSocket', async () => ({
  EventSocket: (await import('../../composables/testing')).FakeStream,
}))
// The test's document has no canvas.
vi.mock('../../components/LineChart.vue', () => ({ default: { render: () => null } }))

const at = new Date().toISOString()
const tenMinutesAgo = new Date(Date.parse(at) - 600_000).toISOString()
let unmount = () => {}

function contended(resource: string, owner: string): ContendedLock {
  return {
    resource,
    owner,
    queue_len: 1,
    holder_count: 1,
    oldest_enqueued_at: tenMinutesAgo,
    acquired_at: at,
  }
}

/** A lock of a deadlock of five waiters. */
function blocked(resource: string, owner: string, waitsFor: string, queueLen: number): BlockedLock {
  const holder = { mode: 'exclusive', owner, fencing_token: 1, acquired_at: at, expires_at: at } as const
  return {
    resource,
    queue_len: queueLen,
    blocked: 5,
    oldest_enqueued_at: tenMinutesAgo,
    holder_count: 1,
    holders: [{ ...holder, waits_for: waitsFor }],
  }
}

/** The same with a wait that has just begun. */
function recent(lock: BlockedLock): BlockedLock {
  return { ...lock, oldest_enqueued_at: at }
}

function overview(part: Partial<Overview>): Overview {
  const locks = [contended('a', 'one'), contended('b', 'two')]
  return overviewAt(at, { held: 2, leases: 2, waiting: 2, long_wait_count: 2, contended: locks, ...part })
}

const deadlock: WaitGraph = {
  at,
  complete: true,
  locks: [],
  possible_deadlocks: [
    {
      holders: [
        { resource: 'a', owner: 'one', fencing_token: 1 },
        { resource: 'b', owner: 'two', fencing_token: 1 },
      ],
    },
  ],
}

async function setup(part: Partial<Overview>, graph: WaitGraph, prepare = () => {}) {
  vi.spyOn(api, 'overview').mockResolvedValue(overview(part))
  vi.spyOn(api, 'waitGraph').mockResolvedValue(graph)
  const { wrapper } = await mountView(OverviewView, '/', prepare)
  unmount = () => wrapper.unmount()
  const panel = (id: string) => wrapper.find(`section[aria-labelledby=${id}]`)
  await vi.waitFor(() => expect(panel('wait-chains').exists()).toBe(findChains(graph).length > 0))
  const rows = () => wrapper.findAll('li.deadlock, li.chain, li.blocked, li.mass-expiration')
  const waiting = () => wrapper.get('[data-testid=waiting]').text()
  const summary = () => wrapper.findAllComponents(LineChart)[1]?.vm.$attrs['summary']
  return { panel, rows, waiting, summary, text: (id: string) => panel(id).text().replace(/\s+/g, ' ') }
}

beforeEach(() => vi.restoreAllMocks())
afterEach(() => {
  unmount()
  FakeStream.current = null
})

test('the locks of a possible deadlock are not listed again as alerts', async () => {
  const { panel, text } = await setup({}, deadlock)
  expect(text('wait-chains')).toContain('Possible deadlock: one, holding a, waits for two, holding b')
  expect(panel('alerts').exists()).toBe(false)
})

test('each lock of a possible deadlock says how many go on once it is free', async () => {
  const locks = [blocked('a', 'one', 'b', 3), blocked('b', 'two', 'a', 2)]
  const { text } = await setup({}, { ...deadlock, locks })
  expect(text('wait-chains')).toMatch(
    /one, holding a \(frees 3 directly, 5 in all\), waits for two, holding b \(frees 2 directly, 5 in all\), waits for one – oldest wait 10 min/,
  )
})

test('another lock that is waited for is listed beside a possible deadlock', async () => {
  const locks = [contended('a', 'one'), contended('b', 'two'), contended('c', 'three')]
  const { text } = await setup({ contended: locks, long_wait_count: 3 }, deadlock)
  expect(text('alerts')).toMatch(/^Needs attentionthree blocks 1 on c, oldest 10 min/)
})

test('waits that are listed nowhere are counted beside a possible deadlock', async () => {
  const { text } = await setup({ long_wait_count: 7 }, deadlock)
  expect(text('alerts')).toBe('Needs attention5 more waits over 30 s')
})

test('without a long wait or a deadlock there are no alerts', async () => {
  const { text } = await setup({ contended: [], long_wait_count: 0 }, { ...deadlock, possible_deadlocks: [] })
  expect(text('alerts')).toMatch(/^No alerts/)
})

test('the overview has a line for each trouble that the title counts', async () => {
  const held = (resource: string, waitsFor: string) => ({ ...blocked(resource, 'o', waitsFor, 1) })
  // A chain of two locks beside a deadlock, and one that has been waited for for a moment.
  const locks = [held('a', 'b'), held('b', 'a'), held('c', 'd'), held('d', ''), held('e', '')]
  const graph = { ...deadlock, locks: locks.map((lock) => (lock.resource === 'e' ? recent(lock) : lock)) }
  const flags = { contended: [], trouble_wait_ms: 2_000, trouble_hold_ms: 3_600_000 }
  const { rows, text, panel } = await setup(flags, graph)
  const troubles = findTroubles(overview(flags), graph, thresholdsOf(flags, useSettings()))
  expect(troubles).toHaveLength(2)
  expect(rows()).toHaveLength(2)
  expect(text('wait-chains')).toMatch(/holding c .*, waits for o, holding d/)
  expect(panel('alerts').exists()).toBe(false)
})

test('the thresholds of the settings are those of the overview', async () => {
  const flags = { long_wait_count: 0, trouble_wait_ms: 2_000 }
  const { text } = await setup(flags, { ...deadlock, possible_deadlocks: [] }, () => {
    useSettings().troubleWait = '15m'
  })
  expect(text('alerts')).toMatch(/^No alertsNo wait is longer than 15 min/)
})

test('the text of the wait times changes once a second at most, whatever events arrive', async () => {
  const oldest_wait = { resource: 'a', owner: 'w', mode: 'exclusive', enqueued_at: tenMinutesAgo } as const
  const { summary, waiting } = await setup(
    { oldest_wait, waiting: 52 },
    { ...deadlock, possible_deadlocks: [] },
  )
  const text = 'No grants after a wait in the last minute; 52 wait now, the oldest for 10 min'
  expect(summary()).toBe(text)
  const later = new Date(Date.now() + 1_000).toISOString()
  stream().emit(event('queued', 1, { at: later }))
  await vi.waitFor(() => expect(waiting()).toBe('53'))
  expect(summary()).toBe(text)
})
