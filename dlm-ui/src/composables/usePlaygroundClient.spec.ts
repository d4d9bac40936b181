import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ref } from 'vue'
import { api, ApiError, UnreachableError } from '../api/client'
import { problem } from '../api/testing'
import type { Lease, Problem } from '../api/types'
import { event } from '../state/testData'
import { inScope, settle } from './testing'
import { usePlaygroundClient, type AcquireOptions } from './usePlaygroundClient'

const acquire = vi.spyOn(api, 'acquire')
const cancel = vi.spyOn(api, 'cancel').mockResolvedValue({ outcome: 'cancelled' })
const release = vi.spyOn(api, 'release').mockResolvedValue({ released: true, fencing_token: 1 })
let dispose: () => void

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

function setup() {
  const name = ref('a')
  const key = ref('first')
  const options = ref<AcquireOptions>({ mode: 'exclusive', ttlMs: 1_000, waitMs: 5_000, owner: 'A' })
  const scope = inScope(() => usePlaygroundClient(name, key, options))
  dispose = scope.dispose
  return { name, key, ...scope.result }
}

beforeEach(() => {
  vi.useFakeTimers()
  for (const call of [acquire, cancel, release]) call.mockClear()
  acquire.mockReset()
})
afterEach(() => {
  dispose()
  vi.useRealTimers()
})

test('retries and the cancel use the key that the acquire started with', async () => {
  acquire.mockRejectedValue(new UnreachableError())
  const { key, phase, ...client } = setup()
  void client.acquire()
  await settle()
  key.value = 'second'
  await settle(1_200)
  expect(new Set(acquire.mock.calls.map(([, used]) => used))).toEqual(new Set(['first']))
  void client.cancel()
  await settle()
  expect(cancel).toHaveBeenCalledWith('a', 'first')
  expect(phase.value).toEqual({ state: 'idle' })
})

test('switching to another lock releases the held one', async () => {
  acquire.mockResolvedValue(lease(1))
  const { name, phase, busy, ...client } = setup()
  void client.acquire()
  await settle()
  expect(phase.value.state).toBe('holding')
  name.value = 'b'
  await settle()
  expect(release).toHaveBeenCalledWith('a', 'lease-1')
  expect(phase.value).toEqual({ state: 'idle' })
  expect(busy.value).toBe(false)
})

test('only the end of its own lease ends the holding phase', async () => {
  acquire.mockResolvedValue(lease(4))
  const { phase, ...client } = setup()
  void client.acquire()
  await settle()
  client.handleEvents([event('expired', 3, { fencing_token: 3 })])
  expect(phase.value.state).toBe('holding')
  client.handleEvents([event('expired', 9, { fencing_token: 4 })])
  expect(phase.value).toEqual({ state: 'ended', token: 4, reason: 'expired' })
})

test('a key whose wait timed out, was cancelled or reused is spent until there is another', async () => {
  const { key, spent, phase, ...client } = setup()
  for (const code of ['wait-timeout', 'lease-ended', 'idempotency-key-reused']) {
    const [status, body] = problem(423, code)
    acquire.mockRejectedValueOnce(new ApiError(status, body as Problem, code))
    await client.acquire()
    expect([spent.value, phase.value.state]).toEqual([code, 'idle'])
    key.value = `after ${code}`
    await settle()
    expect(spent.value).toBeNull()
  }
  const [status, body] = problem(423, 'lock-held')
  acquire.mockRejectedValueOnce(new ApiError(status, body as Problem, 'lock-held'))
  await client.acquire()
  expect(spent.value).toBeNull()
  acquire.mockReturnValue(new Promise(() => undefined))
  void client.acquire()
  await client.cancel()
  expect(spent.value).toBe('cancelled')
})
