import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { shallowRef } from 'vue'
import { api, ApiError, UnreachableError } from '../api/client'
import type { LockStatus } from '../api/types'
import { LockListModel } from '../state/lockListModel'
import { held } from '../state/testData'
import { useConnection } from '../stores/connection'
import { deferred, inScope, settle } from './testing'
import { useRowRefresher } from './useRowRefresher'

const status = vi.spyOn(api, 'status')
const onRefreshed = vi.fn()
let model: LockListModel
let dispose: () => void

beforeEach(() => {
  vi.useFakeTimers()
  status.mockReset()
  onRefreshed.mockReset()
  model = loadedModel()
  const visibleNames = shallowRef<string[]>([])
  dispose = inScope(() => useRowRefresher({ model: () => model, visibleNames, onRefreshed })).dispose
})
afterEach(() => {
  dispose()
  vi.useRealTimers()
})

function loadedModel(): LockListModel {
  const model = new LockListModel('held')
  model.finishLoading({ truncated: false })
  return model
}

const names = () => model.sorted({ key: 'name', reversed: false }).map((row) => row.resource)

test('an incomplete row is fetched and reported', async () => {
  status.mockResolvedValue(held('a', 1))
  model.invalidate('a')
  await settle(1_000)
  expect(status).toHaveBeenCalledTimes(1)
  expect(onRefreshed).toHaveBeenCalledTimes(1)
  expect(names()).toEqual(['a'])
})

test('at most eight fetches are in flight', async () => {
  const slow = deferred<LockStatus>()
  status.mockReturnValue(slow.promise)
  for (let number = 0; number < 20; number += 1) model.invalidate(`lock/${number}`)
  await settle(1_000)
  expect(status).toHaveBeenCalledTimes(8)
})

test('a failed fetch is retried only if the error is retryable', async () => {
  status.mockRejectedValueOnce(new UnreachableError()).mockRejectedValue(new ApiError(400, null, 'bad name'))
  model.invalidate('a')
  await settle(2_000)
  expect(status).toHaveBeenCalledTimes(2)
})

test('nothing is fetched while the server is unreachable', async () => {
  useConnection().setStatus('disconnected')
  model.invalidate('a')
  await settle(1_000)
  expect(status).not.toHaveBeenCalled()
})

test('a fetch for a replaced model is dropped', async () => {
  const slow = deferred<LockStatus>()
  status.mockReturnValueOnce(slow.promise)
  model.invalidate('a')
  await settle(200)
  model = loadedModel()
  slow.resolve(held('a', 1))
  await settle(200)
  expect(names()).toEqual([])
  expect(onRefreshed).not.toHaveBeenCalled()
})
