import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ref } from 'vue'
import { inScope, settle } from '../../composables/testing'
import { useRowSlots } from './useRowSlots'

const inSight = ref<number[]>([])
const printing = ref(false)
let dispose = () => {}

function setup(count: number) {
  inSight.value = Array.from({ length: count }, (_, index) => index)
  const scope = inScope(() => useRowSlots({ inSight: () => inSight.value, printing: () => printing.value }))
  dispose = scope.dispose
  return scope.result
}

beforeEach(() => {
  vi.useFakeTimers()
  printing.value = false
})
afterEach(() => {
  dispose()
  vi.useRealTimers()
})

test('new rows come a few a frame until all are shown', async () => {
  const { items } = setup(20)
  const lengths = [items.value.length]
  while (items.value.length < 20 && lengths.length < 10) {
    await settle(20)
    lengths.push(items.value.length)
  }
  expect(lengths).toEqual([8, 16, 20])
})

test('a row that scrolls into view takes the place of one that scrolled out', async () => {
  const { items, slot } = setup(10)
  await settle(200)
  inSight.value = inSight.value.map((index) => index + 3)
  expect(items.value).toHaveLength(10)
  expect(new Set(items.value.map(slot)).size).toBe(10)
  expect([slot(10), slot(11), slot(12)]).toEqual([0, 1, 2])
})

test('all rows are printed at once, and rows that were missing come afterwards', async () => {
  printing.value = true
  const { items, slot } = setup(20)
  await settle(200)
  expect(items.value).toHaveLength(20)
  expect(slot(19)).toBe(19)
  printing.value = false
  await settle(200)
  expect(items.value).toHaveLength(20)
})
