import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { nextTick, ref } from 'vue'
import { api } from '../api/client'
import type { EventKind } from '../api/types'
import { event, granted } from '../state/testData'
import { useConnection } from '../stores/connection'
import { useSignIn } from '../stores/signIn'
import { FakeStream, inScope, settle, stream } from './testing'
import { useEventTail } from './useEventTail'

vi.mock('../api/eventSocket', async () => ({ EventSocket: (await import('./testing')).FakeStream }))

const newest = vi.spyOn(api, 'newestEvents')
let dispose: () => void

async function setup() {
  const options = {
    prefix: ref(''),
    resource: ref(''),
    kinds: ref<EventKind[]>([]),
    paused: ref(false),
  }
  const scope = inScope(() => useEventTail(options))
  dispose = scope.dispose
  await settle()
  const versions = () => scope.result.events.value.map((event) => event.version)
  return { ...options, ...scope.result, versions }
}

beforeEach(() => {
  vi.useFakeTimers()
  newest.mockReset()
  newest.mockResolvedValue({ events: [], cursor: 'c0' })
})
afterEach(() => {
  dispose()
  FakeStream.current = null
  vi.useRealTimers()
})

test('events of other kinds do not displace rare matching events', async () => {
  const { kinds, versions } = await setup()
  kinds.value = ['expired']
  await settle()
  expect(newest).toHaveBeenCalledTimes(2)
  stream().emit(event('expired', 1))
  for (let version = 2; version < 2_000; version += 1) stream().emit(granted(version, version))
  await settle(1_000)
  expect(versions()).toEqual([1])
})

test('a gap while paused keeps the list as it is, and resuming reloads it', async () => {
  const { paused, versions, bufferedCount } = await setup()
  stream().emit(granted(1, 1))
  await settle(200)
  paused.value = true
  await nextTick()
  stream().emit(granted(2, 2))
  newest.mockResolvedValue({ events: [granted(8, 8), granted(9, 9)], cursor: 'c9' })
  stream().emitGap('overflow')
  await settle(10_000)
  expect(versions()).toEqual([1])
  expect(bufferedCount.value).toBe(1)
  expect(useConnection().status).toBe('paused')
  paused.value = false
  await settle(200)
  expect(versions()).toEqual([9, 8])
  expect(useConnection().status).toBe('live')
})

test('pausing repeatedly shows no event twice', async () => {
  const { paused, versions } = await setup()
  paused.value = true
  await nextTick()
  stream().emit(granted(1, 1))
  paused.value = false
  await settle(200)
  paused.value = true
  await nextTick()
  for (let version = 2; version < 1_500; version += 1) stream().emit(granted(version, version))
  paused.value = false
  await settle(200)
  // The stream resumes after the last shown event.
  expect(stream().cursor).toBe('c1')
  expect(versions()).toEqual([1])
})

test('other rights reload the events at once', async () => {
  const { versions } = await setup()
  stream().emit(granted(1, 1))
  await settle(200)
  newest.mockResolvedValue({ events: [granted(7, 7)], cursor: 'c7' })
  useSignIn().rules = [{ role: 'observe', prefix: 'b' }]
  await settle()
  expect(versions()).toEqual([7])
  expect(stream().cursor).toBe('c7')
})
