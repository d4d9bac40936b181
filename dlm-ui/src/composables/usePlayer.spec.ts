import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ref } from 'vue'
import { api, AwayError } from '../api/client'
import type { Lease } from '../api/types'
import { event } from '../state/samples'
import { inScope, settle } from './testing'
import { usePlayer, type Wish } from './usePlayer'

const acquire = vi.spyOn(api, 'acquire')
const cancel = vi.spyOn(api, 'cancel').mockResolvedValue({ outcome: 'cancelled' })
const release = vi.spyOn(api, 'release').mockResolvedValue({ released: true, fencing_token: 1 })
let end: () => void

function lease(token: number): Lease {
  return {
    resource: 'a',
    lease_id: `lease-${token}`,
    mode: 'exclusive',
    fencing_token: token,
    ttl_ms: 1_000,
    acquired_at: '2099-01-01T00:00:00.000Z',
    expires_at: '2099-01-01T00:00:01.000Z',
    elapsed_ms: 0,
    owner: '',
    metadata: {},
  }
}

function begin() {
  const name = ref('a')
  const key = ref('first')
  const wish = ref<Wish>({ mode: 'exclusive', ttlMs: 1_000, waitMs: 5_000, owner: 'A' })
  const scope = inScope(() => usePlayer(name, key, wish))
  end = scope.end
  return { name, key, ...scope.made }
}

beforeEach(() => {
  vi.useFakeTimers()
  for (const call of [acquire, cancel, release]) call.mockClear()
  acquire.mockReset()
})
afterEach(() => {
  end()
  vi.useRealTimers()
})

test('a wait is asked for again and cancelled by the key it began with', async () => {
  acquire.mockRejectedValue(new AwayError())
  const { key, phase, ...player } = begin()
  void player.acquire()
  await settle()
  key.value = 'second'
  await settle(1_200)
  expect(new Set(acquire.mock.calls.map(([, used]) => used))).toEqual(new Set(['first']))
  void player.cancel()
  await settle()
  expect(cancel).toHaveBeenCalledWith('a', 'first')
  expect(phase.value).toEqual({ at: 'idle' })
})

test('who turns to another lock lets go of the one that is held', async () => {
  acquire.mockResolvedValue(lease(1))
  const { name, phase, busy, ...player } = begin()
  void player.acquire()
  await settle()
  expect(phase.value.at).toBe('holding')
  name.value = 'b'
  await settle()
  expect(release).toHaveBeenCalledWith('a', 'lease-1')
  expect(phase.value).toEqual({ at: 'idle' })
  expect(busy.value).toBe(false)
})

test('the end of its own lease is noticed, and of no other', async () => {
  acquire.mockResolvedValue(lease(4))
  const { phase, ...player } = begin()
  void player.acquire()
  await settle()
  player.follow([event('expired', 3, { fencing_token: 3 })])
  expect(phase.value.at).toBe('holding')
  player.follow([event('expired', 9, { fencing_token: 4 })])
  expect(phase.value).toEqual({ at: 'ended', token: 4, how: 'expired' })
})
