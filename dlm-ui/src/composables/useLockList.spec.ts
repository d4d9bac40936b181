import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { nextTick, ref, shallowRef } from 'vue'
import { api, UnreachableError } from '../api/client'
import type { LockPage, LockStatus, StateFilter } from '../api/types'
import type { Sort } from '../state/sort'
import { event, granted, held } from '../state/testData'
import { useConnection } from '../stores/connection'
import { useSignIn } from '../stores/signIn'
import { deferred, FakeStream, inScope, settle, stream } from './testing'
import { useLockList } from './useLockList'

vi.mock('../api/eventSocket', async () => ({ EventSocket: (await import('./testing')).FakeStream }))

const status = vi.spyOn(api, 'status')
const list = vi.spyOn(api, 'list')
let dispose: () => void

const page = (locks: LockStatus[], next: string | null = null): LockPage => ({ locks, next, cursor: 'c0' })

function setup(state: StateFilter = 'held') {
  const options = {
    prefix: ref(''),
    filter: ref(state),
    sort: ref<Sort>({ key: 'name', reversed: false }),
    frozen: ref(false),
    visibleNames: shallowRef<string[]>([]),
  }
  const scope = inScope(() => useLockList(options))
  dispose = scope.dispose
  const names = () => scope.result.ordered.value.map((row) => row.resource)
  return { ...options, ...scope.result, names }
}

beforeEach(() => {
  vi.useFakeTimers()
  status.mockReset()
  list.mockReset()
})
afterEach(() => {
  dispose()
  FakeStream.current = null
  vi.useRealTimers()
})

test('a failed row fetch is retried', async () => {
  list.mockResolvedValue(page([held('a', 1)]))
  status.mockRejectedValueOnce(new UnreachableError()).mockResolvedValue(held('a', 4, { current_token: 9 }))
  const { ordered } = setup()
  await settle()
  stream().emit(granted(4, 9))
  await settle(1_000)
  expect(status).toHaveBeenCalledTimes(2)
  expect(ordered.value[0]?.current_token).toBe(9)
})

test('a frozen list still loads its remaining pages', async () => {
  const second = deferred<LockPage>()
  list.mockResolvedValueOnce(page([held('a', 1)], 'a')).mockReturnValueOnce(second.promise)
  const { names, frozen } = setup()
  await settle()
  frozen.value = true
  second.resolve(page([held('b', 1)]))
  await settle(100)
  expect(names()).toEqual(['a', 'b'])
})

test('the rows are whole once all pages are loaded, and stay so while the same list is loaded again', async () => {
  const second = deferred<LockPage>()
  list.mockResolvedValueOnce(page([held('a', 1)], 'a')).mockReturnValueOnce(second.promise)
  const { whole, prefix } = setup()
  await settle()
  expect(whole.value).toBe(false)
  second.resolve(page([held('b', 1)]))
  await settle()
  expect(whole.value).toBe(true)
  const again = deferred<LockPage>()
  list.mockResolvedValueOnce(page([held('a', 1)], 'a')).mockReturnValueOnce(again.promise)
  stream().emitGap('cursor-lost')
  await settle()
  expect(whole.value).toBe(true)
  again.resolve(page([]))
  await settle()
  list.mockResolvedValueOnce(page([held('a', 1)], 'a')).mockReturnValueOnce(new Promise(() => {}))
  prefix.value = 'a'
  await settle()
  expect(whole.value).toBe(false)
})

test('rows are added to a frozen list until it is complete', async () => {
  const third = deferred<LockPage>()
  list
    .mockResolvedValueOnce(page([held('a', 1)], 'a'))
    .mockResolvedValueOnce(page([held('b', 1)], 'b'))
    .mockReturnValueOnce(third.promise)
  const { names, frozen } = setup()
  frozen.value = true
  await settle(100)
  expect(names()).toEqual(['a', 'b'])
})

test('a lock released during its fetch is not added', async () => {
  list.mockResolvedValue(page([]))
  const slow = deferred<LockStatus>()
  status.mockReturnValueOnce(slow.promise).mockResolvedValue(held('b', 3, { state: 'free', holder_count: 0 }))
  const { names } = setup()
  await settle()
  stream().emit(granted(2, 2, { resource: 'b', queue_len: 1 }))
  await settle(300)
  expect(status).toHaveBeenCalledTimes(1)
  stream().emit(event('released', 3, { resource: 'b', fencing_token: 2 }))
  slow.resolve(held('b', 2))
  await settle(1_000)
  expect(names()).toEqual([])
})

test('a lock that changes constantly stays in the list', async () => {
  list.mockResolvedValue(page([]))
  let version = 1
  status.mockImplementation(async (name) => {
    const fetched = held(name, version, { queue_len: 1 })
    await new Promise((resolve) => setTimeout(resolve, 100))
    return fetched
  })
  const { names } = setup()
  await settle()
  for (let round = 0; round < 100; round += 1) {
    stream().emit(
      event('released', version + 1, { resource: 'b', fencing_token: version, queue_len: 1 }),
      granted(version + 2, version + 1, { resource: 'b', waiter_id: 'w', queue_len: 1 }),
    )
    version += 2
    await settle(20)
    if (round > 50) expect(names()).toEqual(['b'])
  }
})

test('a fetched row shows without waiting for slower fetches', async () => {
  list.mockResolvedValue(page([]))
  const slow = deferred<LockStatus>()
  status.mockImplementation((name) => (name === 'slow' ? slow.promise : Promise.resolve(held(name, 2))))
  const { names } = setup()
  await settle()
  stream().emit(
    granted(2, 1, { resource: 'slow', queue_len: 1 }),
    granted(2, 1, { resource: 'b', queue_len: 1 }),
  )
  await settle(400)
  expect(names()).toEqual(['b'])
})

test('a row fetched for a previous filter is dropped', async () => {
  list.mockResolvedValue(page([]))
  const slow = deferred<LockStatus>()
  status.mockReturnValueOnce(slow.promise)
  const { names, prefix } = setup()
  await settle()
  stream().emit(granted(2, 1, { resource: 'b', queue_len: 1 }))
  await settle(300)
  prefix.value = 'x'
  await settle(10)
  slow.resolve(held('b', 2))
  await settle(300)
  expect(names()).toEqual([])
})

test('locks without waiters are not fetched for the waiting list, and visible rows are fetched first', async () => {
  list.mockResolvedValue(page([held('visible', 1, { queue_len: 2 })]))
  status.mockImplementation((name) => Promise.resolve(held(name, 9, { queue_len: 1 })))
  const { visibleNames } = setup('waiting')
  await settle()
  visibleNames.value = ['visible']
  for (let number = 0; number < 50; number += 1) {
    stream().emit(granted(2, 1, { resource: `idle/${number}` }))
    stream().emit(event('queued', 2, { resource: `busy/${number}`, queue_len: 1 }))
  }
  stream().emit(event('cancelled', 2, { resource: 'visible', waiter_id: 'w', queue_len: 1 }))
  await settle(200)
  const fetched = status.mock.calls.map(([name]) => name)
  expect(fetched[0]).toBe('visible')
  expect(fetched.filter((name) => name.startsWith('idle/'))).toEqual([])
})

test('an overloaded list reports it and swaps in the reloaded rows once they are complete', async () => {
  list.mockResolvedValue(page([held('a', 1), held('b', 1)]))
  const { names } = setup()
  const connection = useConnection()
  await settle()
  stream().emitGap('overflow')
  expect(connection.status).toBe('catching-up')
  expect(connection.stale).toBe(true)
  const second = deferred<LockPage>()
  list.mockReset()
  list.mockResolvedValueOnce(page([held('a', 5)], 'a')).mockReturnValueOnce(second.promise)
  await settle(3_500)
  expect(names()).toEqual(['a', 'b'])
  second.resolve(page([held('c', 1)]))
  await settle(100)
  expect(names()).toEqual(['a', 'c'])
  expect(connection.status).toBe('live')
  expect(connection.notice).toContain('too fast')
  await settle(15_000)
  expect(connection.notice).toBeNull()
})

test('rows of a frozen list keep their places', async () => {
  list.mockResolvedValue(page([held('b', 1), held('c', 1)]))
  const { names, ordered, frozen } = setup()
  await settle(50)
  frozen.value = true
  await nextTick()
  stream().emit(granted(1, 1, { resource: 'a' }), event('released', 2, { resource: 'c', fencing_token: 1 }))
  await settle(50)
  expect(names()).toEqual(['b', 'c'])
  expect(ordered.value[1]?.state).toBe('free')
  frozen.value = false
  await settle(50)
  expect(names()).toEqual(['a', 'b'])
})

test('a hot lock does not vanish when the list is reloaded between two holders', async () => {
  list.mockResolvedValue(page([held('hot', 3, { queue_len: 2 }), held('a', 1)]))
  const { names } = setup()
  await settle(50)
  list.mockResolvedValue(page([held('a', 1)]))
  status.mockResolvedValue(held('hot', 6, { queue_len: 2 }))
  stream().emitGap('cursor-lost')
  await settle(50)
  expect(names()).toEqual(['a', 'hot'])
  await settle(500)
  expect(status).toHaveBeenCalledWith('hot')
  expect(names()).toEqual(['a', 'hot'])
})

test('other rights reload the list at once', async () => {
  list.mockResolvedValue(page([held('a', 1), held('b', 1)]))
  const { names } = setup()
  await settle(50)
  list.mockResolvedValue(page([held('b', 1)]))
  useSignIn().rules = [{ role: 'observe', prefix: 'b' }]
  await settle(50)
  expect(names()).toEqual(['b'])
  expect(useConnection().status).toBe('live')
  expect(useConnection().notice).toBeNull()
})
