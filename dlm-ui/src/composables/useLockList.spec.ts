import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { nextTick, ref, shallowRef } from 'vue'
import { api, AwayError } from '../api/client'
import type { LockPage, LockStatus, StateFilter } from '../api/types'
import { event, granted } from '../state/samples'
import type { Sort } from '../state/order'
import { useConnection } from '../stores/connection'
import { FakeStream, held, inScope, later, settle, stream } from './testing'
import { useLockList } from './useLockList'

vi.mock('../api/eventSocket', async () => ({ EventSocket: (await import('./testing')).FakeStream }))

const status = vi.spyOn(api, 'status')
const list = vi.spyOn(api, 'list')
let end: () => void

const page = (locks: LockStatus[], next: string | null = null): LockPage => ({ locks, next, cursor: 'c0' })

function begin(state: StateFilter = 'held') {
  const options = {
    prefix: ref(''),
    filter: ref(state),
    sort: ref<Sort>({ key: 'name', descending: false }),
    still: ref(false),
    inSight: shallowRef<string[]>([]),
  }
  const scope = inScope(() => useLockList(options))
  end = scope.end
  const names = () => scope.made.ordered.value.map((row) => row.resource)
  return { ...options, ...scope.made, names }
}

beforeEach(() => {
  vi.useFakeTimers()
  status.mockReset()
  list.mockReset()
})
afterEach(() => {
  end()
  FakeStream.newest = null
  vi.useRealTimers()
})

test('a row that could not be asked for is asked for again', async () => {
  list.mockResolvedValue(page([held('a', 1)]))
  status.mockRejectedValueOnce(new AwayError()).mockResolvedValue(held('a', 4, { current_token: 9 }))
  const { ordered } = begin()
  await settle()
  stream().says(granted(4, 9))
  await settle(1_000)
  expect(status).toHaveBeenCalledTimes(2)
  expect(ordered.value[0]?.current_token).toBe(9)
})

test('a pointer that rests on a list does not keep it from loading', async () => {
  const second = later<LockPage>()
  list.mockResolvedValueOnce(page([held('a', 1)], 'a')).mockReturnValueOnce(second.promise)
  const { names, still } = begin()
  await settle()
  still.value = true
  second.answer(page([held('b', 1)]))
  await settle(100)
  expect(names()).toEqual(['a', 'b'])
})

test('while it loads, rows come in under a pointer too', async () => {
  const third = later<LockPage>()
  list
    .mockResolvedValueOnce(page([held('a', 1)], 'a'))
    .mockResolvedValueOnce(page([held('b', 1)], 'b'))
    .mockReturnValueOnce(third.promise)
  const { names, still } = begin()
  still.value = true
  await settle(100)
  expect(names()).toEqual(['a', 'b'])
})

test('a lock that was released while it was asked for does not come back', async () => {
  list.mockResolvedValue(page([]))
  const slow = later<LockStatus>()
  status.mockReturnValueOnce(slow.promise).mockResolvedValue(held('b', 3, { state: 'free', holder_count: 0 }))
  const { names } = begin()
  await settle()
  stream().says(granted(2, 2, { resource: 'b', queue_len: 1 }))
  await settle(300)
  expect(status).toHaveBeenCalledTimes(1)
  stream().says(event('released', 3, { resource: 'b', fencing_token: 2 }))
  slow.answer(held('b', 2))
  await settle(1_000)
  expect(names()).toEqual([])
})

test('a lock that is always busy is in the list all the same', async () => {
  list.mockResolvedValue(page([]))
  let version = 1
  status.mockImplementation(async (name) => {
    const asked = held(name, version, { queue_len: 1 })
    await new Promise((resolve) => setTimeout(resolve, 100))
    return asked
  })
  const { names } = begin()
  await settle()
  for (let turn = 0; turn < 100; turn += 1) {
    stream().says(
      event('released', version + 1, { resource: 'b', fencing_token: version, queue_len: 1 }),
      granted(version + 2, version + 1, { resource: 'b', waiter_id: 'w', queue_len: 1 }),
    )
    version += 2
    await settle(20)
    if (turn > 50) expect(names()).toEqual(['b'])
  }
})

test('an answer is taken in without waiting for the others that were asked for', async () => {
  list.mockResolvedValue(page([]))
  const slow = later<LockStatus>()
  status.mockImplementation((name) => (name === 'slow' ? slow.promise : Promise.resolve(held(name, 2))))
  const { names } = begin()
  await settle()
  stream().says(
    granted(2, 1, { resource: 'slow', queue_len: 1 }),
    granted(2, 1, { resource: 'b', queue_len: 1 }),
  )
  await settle(400)
  expect(names()).toEqual(['b'])
})

test('an answer about another list is dropped', async () => {
  list.mockResolvedValue(page([]))
  const slow = later<LockStatus>()
  status.mockReturnValueOnce(slow.promise)
  const { names, prefix } = begin()
  await settle()
  stream().says(granted(2, 1, { resource: 'b', queue_len: 1 }))
  await settle(300)
  prefix.value = 'x'
  await settle(10)
  slow.answer(held('b', 2))
  await settle(300)
  expect(names()).toEqual([])
})

test('of those waited for, what nobody waits for is not asked about, and what is seen is asked about first', async () => {
  list.mockResolvedValue(page([held('seen', 1, { queue_len: 2 })]))
  status.mockImplementation((name) => Promise.resolve(held(name, 9, { queue_len: 1 })))
  const { inSight } = begin('waiting')
  await settle()
  inSight.value = ['seen']
  for (let number = 0; number < 50; number += 1) {
    stream().says(granted(2, 1, { resource: `idle/${number}` }))
    stream().says(event('queued', 2, { resource: `busy/${number}`, queue_len: 1 }))
  }
  stream().says(event('cancelled', 2, { resource: 'seen', waiter_id: 'w', queue_len: 1 }))
  await settle(200)
  const asked = status.mock.calls.map(([name]) => name)
  expect(asked[0]).toBe('seen')
  expect(asked.filter((name) => name.startsWith('idle/'))).toEqual([])
})

test('a list that could not keep up says so, and is shown anew when all of it is there', async () => {
  list.mockResolvedValue(page([held('a', 1), held('b', 1)]))
  const { names } = begin()
  const connection = useConnection()
  await settle()
  stream().gives('too-many')
  expect(connection.link).toBe('behind')
  expect(connection.stale).toBe(true)
  const second = later<LockPage>()
  list.mockReset()
  list.mockResolvedValueOnce(page([held('a', 5)], 'a')).mockReturnValueOnce(second.promise)
  await settle(3_500)
  expect(names()).toEqual(['a', 'b'])
  second.answer(page([held('c', 1)]))
  await settle(100)
  expect(names()).toEqual(['a', 'c'])
  expect(connection.link).toBe('live')
  expect(connection.notice).toContain('Too much')
  await settle(15_000)
  expect(connection.notice).toBeNull()
})

test('rows keep their places while one points at them', async () => {
  list.mockResolvedValue(page([held('b', 1), held('c', 1)]))
  const { names, ordered, still } = begin()
  await settle(50)
  still.value = true
  await nextTick()
  stream().says(granted(1, 1, { resource: 'a' }), event('released', 2, { resource: 'c', fencing_token: 1 }))
  await settle(50)
  expect(names()).toEqual(['b', 'c'])
  expect(ordered.value[1]?.state).toBe('free')
  still.value = false
  await settle(50)
  expect(names()).toEqual(['a', 'b'])
})
