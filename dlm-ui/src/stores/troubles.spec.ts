import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { problem, serve } from '../api/testing'
import { deferred } from '../composables/testing'
import { useSettings } from './settings'
import { useSignIn } from './signIn'
import { useTroubles } from './troubles'

const at = '2026-01-01T01:00:00.000Z'
let shown: string[] = []
let locks: string[] = []
let denied = false
let flags = {}

class FakeNotification {
  static permission = 'granted'
  constructor(_title: string, { body }: { body: string }) {
    shown.push(body)
  }
  close(): void {}
}

function overview(): unknown {
  const contended = locks.map((resource) => ({
    resource,
    queue_len: 1,
    holder_count: 1,
    owner: 'deploy',
    oldest_enqueued_at: '2026-01-01T00:00:00.000Z',
    acquired_at: null,
  }))
  const counts = { held: 0, leases: 0, waiting: 0, long_wait_count: 0, ...flags }
  return { at, ...counts, contended, long_waits: [], expired: [], seconds: [] }
}

beforeEach(() => {
  setActivePinia(createPinia())
  vi.stubGlobal('Notification', FakeNotification)
  shown = []
  locks = ['job']
  denied = false
  flags = {}
  serve(() => (denied ? problem(403, 'forbidden', { required: 'observe' }) : [200, overview()]))
})
afterEach(() => {
  localStorage.clear()
})

test('a trouble is told of once, when it begins, and not what was there before', async () => {
  useSettings().notify = 'on'
  const troubles = useTroubles()
  await troubles.read()
  expect(troubles.troubles).toHaveLength(1)
  expect(shown).toEqual([])
  locks = ['job', 'other']
  await troubles.read()
  await troubles.read()
  expect(shown).toEqual(['1 waiting for other for 1 h, held by deploy'])
})

test('a threshold of the server is in force unless the settings have another one', async () => {
  flags = { trouble_wait_ms: 2 * 3_600_000 }
  const troubles = useTroubles()
  await troubles.read()
  expect(troubles.troubles).toEqual([])
  useSettings().troubleWait = '15m'
  expect(troubles.troubles).toHaveLength(1)
})

test('nothing is told unless it was asked for', async () => {
  const troubles = useTroubles()
  await troubles.read()
  locks = ['job', 'other']
  await troubles.read()
  expect(troubles.troubles).toHaveLength(2)
  expect(shown).toEqual([])
})

test('many troubles at once make few notifications', async () => {
  useSettings().notify = 'on'
  const troubles = useTroubles()
  locks = []
  await troubles.read()
  locks = ['a', 'b', 'c', 'd', 'e']
  await troubles.read()
  expect(shown).toHaveLength(4)
  expect(shown.at(-1)).toBe('and 2 more troubles')
})

test('what may no longer be seen is not counted', async () => {
  const troubles = useTroubles()
  await troubles.read()
  denied = true
  await troubles.read()
  expect(troubles.troubles).toEqual([])
})

test('who may see nothing is not denied again and again', async () => {
  denied = true
  const requests = vi.fn(() => problem(403, 'forbidden', { required: 'observe' }))
  serve(({ path }) => (path.startsWith('/v1/overview') ? requests() : [200, {}]))
  const troubles = useTroubles()
  await troubles.read()
  await troubles.read()
  expect(requests).toHaveBeenCalledTimes(1)
})

/** Delays the next response until it is released. */
function holdAnswer(): () => void {
  const { promise, resolve } = deferred<Response>()
  const answer = vi.fn<typeof fetch>(async () => new Response(JSON.stringify(overview()), { status: 200 }))
  answer.mockReturnValueOnce(promise)
  vi.stubGlobal('fetch', answer)
  return () => resolve(new Response(JSON.stringify(overview()), { status: 200 }))
}

test('an answer that arrives after the sign-out brings nothing back', async () => {
  const send = holdAnswer()
  const troubles = useTroubles()
  const stop = troubles.run()
  stop()
  send()
  await new Promise((resolve) => setTimeout(resolve))
  expect(troubles.troubles).toEqual([])
})

test('an answer to a request from before the rights changed is dropped', async () => {
  const send = holdAnswer()
  const troubles = useTroubles()
  const stop = troubles.run()
  locks = []
  useSignIn().rules = [{ role: 'observe', prefix: 'mine/' }]
  await vi.waitFor(() => expect(fetch).toHaveBeenCalledTimes(2))
  locks = ['job']
  send()
  await new Promise((resolve) => setTimeout(resolve))
  expect(troubles.troubles).toEqual([])
  stop()
})
