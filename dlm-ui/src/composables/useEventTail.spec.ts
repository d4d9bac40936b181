import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { nextTick, ref } from 'vue'
import { api } from '../api/client'
import type { EventKind } from '../api/types'
import { event, granted } from '../state/samples'
import { useConnection } from '../stores/connection'
import { FakeStream, inScope, settle, stream } from './testing'
import { useEventTail } from './useEventTail'

vi.mock('../api/eventSocket', async () => ({ EventSocket: (await import('./testing')).FakeStream }))

const newest = vi.spyOn(api, 'newestEvents')
let end: () => void

async function begin() {
  const options = {
    prefix: ref(''),
    resource: ref(''),
    kinds: ref<EventKind[]>([]),
    paused: ref(false),
  }
  const scope = inScope(() => useEventTail(options))
  end = scope.end
  await settle()
  const versions = () => scope.made.events.value.map((one) => one.version)
  return { ...options, ...scope.made, versions }
}

beforeEach(() => {
  vi.useFakeTimers()
  newest.mockReset()
  newest.mockResolvedValue({ events: [], cursor: 'c0' })
})
afterEach(() => {
  end()
  FakeStream.newest = null
  vi.useRealTimers()
})

test('what is rare is not driven out by what is not wanted', async () => {
  const { kinds, versions } = await begin()
  kinds.value = ['expired']
  await settle()
  expect(newest).toHaveBeenCalledTimes(2)
  stream().says(event('expired', 1))
  for (let version = 2; version < 2_000; version += 1) stream().says(granted(version, version))
  await settle(1_000)
  expect(versions()).toEqual([1])
})

test('who is paused keeps what is shown when the stream breaks off, and loads anew when going on', async () => {
  const { paused, versions, heldBack } = await begin()
  stream().says(granted(1, 1))
  await settle(200)
  paused.value = true
  await nextTick()
  stream().says(granted(2, 2))
  newest.mockResolvedValue({ events: [granted(8, 8), granted(9, 9)], cursor: 'c9' })
  stream().gives('too-many')
  await settle(10_000)
  expect(versions()).toEqual([1])
  expect(heldBack.value).toBe(1)
  expect(useConnection().link).toBe('paused')
  paused.value = false
  await settle(200)
  expect(versions()).toEqual([9, 8])
  expect(useConnection().link).toBe('live')
})

test('one who pauses again and again is shown no event twice', async () => {
  const { paused, versions } = await begin()
  paused.value = true
  await nextTick()
  stream().says(granted(1, 1))
  paused.value = false
  await settle(200)
  paused.value = true
  await nextTick()
  for (let version = 2; version < 1_500; version += 1) stream().says(granted(version, version))
  paused.value = false
  await settle(200)
  // It resumes behind what was shown.
  expect(stream().cursor).toBe('c1')
  expect(versions()).toEqual([1])
})
