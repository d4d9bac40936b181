import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api } from '../../api/client'
import type { BlockedLock, ContendedLock, Overview, WaitGraph } from '../../api/types'
import { FakeStream } from '../../composables/testing'
import { mountView } from '../testing'
import OverviewView from './OverviewView.vue'

vi.mock('../../api/eventSocket', async () => ({
  EventSocket: (await import('../../composables/testing')).FakeStream,
}))
// The test's document has no canvas.
vi.mock('../../components/LineChart.vue', () => ({ default: { render: () => null } }))

const at = new Date().toISOString()
const tenMinutesAgo = new Date(Date.now() - 600_000).toISOString()
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

function overview(part: Partial<Overview>): Overview {
  return {
    at,
    held: 2,
    leases: 2,
    waiting: 2,
    oldest_wait: null,
    long_wait_count: 2,
    long_waits: [],
    wait_p50_ms: null,
    wait_p95_ms: null,
    expired: [],
    contended: [contended('a', 'one'), contended('b', 'two')],
    seconds: [],
    ...part,
  }
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

async function setup(part: Partial<Overview>, graph: WaitGraph) {
  vi.spyOn(api, 'overview').mockResolvedValue(overview(part))
  vi.spyOn(api, 'waitGraph').mockResolvedValue(graph)
  const { wrapper } = await mountView(OverviewView, '/')
  unmount = () => wrapper.unmount()
  const panel = (id: string) => wrapper.find(`section[aria-labelledby=${id}]`)
  await vi.waitFor(() => expect(panel('wait-chains').exists()).toBe(graph.possible_deadlocks.length > 0))
  return { panel, text: (id: string) => panel(id).text().replace(/\s+/g, ' ') }
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
