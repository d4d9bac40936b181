import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { nextTick, reactive, ref, watch, type Ref } from 'vue'
import { api } from '../api/client'
import type { EventKind, EventPage, LockEvent } from '../api/types'
import { event, granted } from '../state/testData'
import { useConnection } from '../stores/connection'
import { useSignIn } from '../stores/signIn'
import { deferred, FakeStream, inScope, settle, stream } from './testing'
import { useEventTail } from './useEventTail'

vi.mock('../api/eventSocket', async () => ({ EventSocket: (await import('./testing')).FakeStream }))

const newest = vi.spyOn(api, 'newestEvents')
let dispose: () => void

async function setup() {
  const parts = {
    prefix: ref(''),
    resource: ref(''),
    kinds: ref<EventKind[]>([]),
    owner: ref(''),
    principal: ref(''),
    from: ref(''),
    to: ref(''),
  }
  const paused = ref(false)
  const scope = inScope(() => useEventTail({ filter: () => reactive(parts), paused }))
  dispose = scope.dispose
  await settle()
  const versions = () => scope.result.events.value.map((event) => event.version)
  return { ...parts, paused, ...scope.result, versions }
}

/** The most rows that one change of a list adds and removes, of those from now on. */
function mostChanged(events: Ref<readonly LockEvent[]>) {
  const most = { added: 0, removed: 0 }
  watch(events, (now, before) => {
    const kept = new Set(before.map(({ cursor }) => cursor))
    const added = now.filter(({ cursor }) => !kept.has(cursor)).length
    most.added = Math.max(most.added, added)
    most.removed = Math.max(most.removed, before.length - (now.length - added))
  })
  return most
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

test('the server filters, and older events are loaded from where its search ended', async () => {
  newest.mockResolvedValue({ events: [], cursor: 'c9', start: 's1', searched_from: 't1' })
  const { kinds, owner, versions, start, searchedFrom, loadOlder } = await setup()
  kinds.value = ['expired', 'force_released']
  owner.value = 'one'
  await settle()
  const filter = {
    prefix: '',
    resource: '',
    kinds: ['expired', 'force_released'],
    owner: 'one',
    principal: '',
    from: '',
    to: '',
  }
  expect(newest.mock.lastCall?.[0]).toEqual(filter)
  expect([versions(), searchedFrom.value]).toEqual([[], 't1'])
  stream().emit(event('expired', 9), event('expired', 10, { owner: 'two' }))
  await settle(200)
  newest.mockResolvedValue({ events: [event('expired', 2), event('expired', 4)], cursor: 'c9' })
  await loadOlder()
  expect(newest.mock.lastCall?.[0]).toEqual({ ...filter, before: 's1' })
  expect([versions(), start.value, searchedFrom.value]).toEqual([[9, 4, 2], null, null])
})

test('only events between two instants are asked for and shown', async () => {
  const { from, to, versions } = await setup()
  from.value = '2026-01-01T10:00:00.000Z'
  to.value = '2026-01-01T11:00:00.000Z'
  await settle()
  expect(newest.mock.lastCall?.[0]).toMatchObject({ from: from.value, to: to.value })
  const at = (version: number, time: string) => event('expired', version, { at: `2026-01-01T${time}Z` })
  stream().emit(at(1, '09:59:59.999999'), at(2, '10:00:00'), at(3, '10:59:59.999'), at(4, '11:00:00'))
  await settle(200)
  expect(versions()).toEqual([3, 2])
})

test('what new events displace can be loaded again', async () => {
  const { versions, start, loadOlder } = await setup()
  for (let version = 1; version <= 600; version += 1) {
    stream().emit(granted(version, version))
    if (version % 50 === 0) await settle(500)
  }
  expect(versions().at(-1)).toBe(101)
  expect(start.value).toBe('c101')
  newest.mockResolvedValue({ events: [granted(99, 99), granted(100, 100), granted(101, 101)], cursor: 'c' })
  await loadOlder()
  expect(versions().slice(-3)).toEqual([101, 100, 99])
})

test('a burst shows the newest events, and the rest can be loaded', async () => {
  const { versions, start, receivedCount } = await setup()
  for (let version = 1; version <= 600; version += 1) stream().emit(granted(version, version))
  await settle(500)
  expect([versions().length, versions().at(0), versions().at(-1)]).toEqual([50, 600, 551])
  expect([start.value, receivedCount.value]).toEqual(['c551', 600])
})

test('events that come too fast to read are drawn twice a second', async () => {
  const { receivedCount } = await setup()
  let draws = 0
  watch(receivedCount, () => (draws += 1))
  for (let step = 0; step < 50; step += 1) {
    for (let number = 0; number < 100; number += 1) stream().emit(granted(number, number))
    await settle(100)
  }
  expect(draws).toBeGreaterThanOrEqual(8)
  expect(draws).toBeLessThanOrEqual(12)
})

test('no frame draws more than a few rows, however long the list was and however much arrived', async () => {
  const { events, versions } = await setup()
  const most = mostChanged(events)
  for (let version = 1; version <= 600; version += 1) {
    stream().emit(granted(version, version))
    if (version % 50 === 0) await settle(500)
  }
  expect(versions()).toHaveLength(500)
  for (let version = 601; version <= 6_000; version += 1) stream().emit(granted(version, version))
  await settle(1_000)
  expect(versions()).toEqual(Array.from({ length: 50 }, (_, index) => 6_000 - index))
  expect(most.added).toBeLessThanOrEqual(15)
  expect(most.removed).toBeLessThanOrEqual(50)
})

test('the newest events replace the list while too many arrive, a few rows in each frame', async () => {
  const page = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => granted(from + index, from + index))
  newest.mockResolvedValue({ events: page(1, 200), cursor: 'c200' })
  const { events, versions, start } = await setup()
  const most = mostChanged(events)
  for (const [from, to] of [
    [180, 229],
    [951, 1_000],
  ] as const) {
    newest.mockResolvedValue({ events: page(from, to), cursor: `c${to}`, start: `s${to}` })
    stream().emitGap('overflow')
    await settle(3_000)
    expect(newest.mock.lastCall?.[1]).toBe(50)
    expect(versions()).toEqual(Array.from({ length: 50 }, (_, index) => to - index))
    expect([start.value, stream().cursor]).toEqual([`s${to}`, `c${to}`])
  }
  expect(most.added).toBeLessThanOrEqual(15)
  expect(most.removed).toBeLessThanOrEqual(50)
})

test('older events of a filter that is no longer set are dropped', async () => {
  newest.mockResolvedValue({ events: [granted(5, 5)], cursor: 'c5', start: 's5' })
  const { prefix, versions, loadOlder } = await setup()
  const slow = deferred<EventPage>()
  newest.mockReturnValueOnce(slow.promise)
  const loading = loadOlder()
  newest.mockResolvedValue({ events: [granted(9, 9)], cursor: 'c9' })
  prefix.value = 'other'
  await settle()
  slow.resolve({ events: [granted(4, 4)], cursor: 'c5' })
  await loading
  expect(versions()).toEqual([9])
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

test('events of a principal are its grants and its force-releases, of the log and live', async () => {
  const { principal, versions } = await setup()
  principal.value = 'api'
  await settle()
  expect(newest.mock.lastCall?.[0]).toMatchObject({ principal: 'api' })
  stream().emit(
    granted(1, 1, { principal: 'api' }),
    granted(2, 2, { principal: 'ops' }),
    event('force_released', 3, { by: 'api' }),
    event('released', 4),
  )
  await settle(1_000)
  expect(versions()).toEqual([3, 1])
})
