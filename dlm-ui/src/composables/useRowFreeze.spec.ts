import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { nextTick, ref } from 'vue'
import { inScope, settle } from './testing'
import { useFrozenRows } from './useRowFreeze'

let dispose: () => void

function setup(...names: string[]) {
  const source = ref(names)
  const scope = inScope(() =>
    useFrozenRows(
      () => source.value,
      (name) => name,
    ),
  )
  dispose = scope.dispose
  return { source, ...scope.result }
}

const pointer = (pointerType: string) => ({ pointerType }) as PointerEvent

beforeEach(() => vi.useFakeTimers())
afterEach(() => {
  dispose()
  vi.useRealTimers()
})

test('rows stay in place for as long as the pointer rests on them', async () => {
  const { source, shown, listeners, isGone, heldBack } = setup('a', 'b', 'c')
  listeners.pointerenter(pointer('mouse'))
  source.value = ['0', 'b', 'c', 'd']
  await settle(60_000)
  expect(shown.value).toEqual(['a', 'b', 'c'])
  expect(shown.value.map(isGone)).toEqual([true, false, false])
  expect(heldBack.value).toEqual({ added: 2, gone: 1 })
  listeners.pointerleave(pointer('mouse'))
  await nextTick()
  expect(shown.value).toEqual(['0', 'b', 'c', 'd'])
  expect(heldBack.value).toEqual({ added: 0, gone: 0 })
})

test('rows stay in place between a touch and its click, and for a while after', async () => {
  const { source, shown, listeners } = setup('a', 'b')
  listeners.pointerenter(pointer('touch'))
  listeners.pointerleave(pointer('touch'))
  source.value = ['b']
  await settle(300)
  expect(shown.value).toEqual(['a', 'b'])
  await settle(5_000)
  expect(shown.value).toEqual(['b'])
})

test('a key press holds the rows for a few seconds, also while the pointer leaves', async () => {
  const { source, shown, listeners } = setup('a', 'b')
  listeners.pointerenter(pointer('mouse'))
  listeners.keydown()
  listeners.pointerleave(pointer('mouse'))
  source.value = ['b']
  await settle(4_000)
  expect(shown.value).toEqual(['a', 'b'])
  await settle(1_000)
  expect(shown.value).toEqual(['b'])
})
