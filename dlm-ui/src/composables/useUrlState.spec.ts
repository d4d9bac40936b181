import { flushPromises, mount } from '@vue/test-utils'
import { expect, test } from 'vitest'
import { defineComponent, type WritableComputedRef } from 'vue'
import { createMemoryHistory, createRouter } from 'vue-router'
import { flag, instant, integer, oneOf, text, useUrlState } from './useUrlState'

async function setup(path: string) {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: '/:view', component: { render: () => null } }],
  })
  await router.push(path)
  const states = {} as { a: WritableComputedRef<string>; b: WritableComputedRef<number> }
  const view = defineComponent({
    setup: () => {
      states.a = useUrlState('a', text, '')
      states.b = useUrlState('b', integer(0, 9), 5)
      return () => null
    },
  })
  mount(view, { global: { plugins: [router] } })
  return { router, ...states }
}

test('two parameters that are written in one tick are both kept', async () => {
  const { router, a, b } = await setup('/list?other=1')
  a.value = 'x'
  b.value = 7
  expect([a.value, b.value]).toEqual(['x', 7])
  await flushPromises()
  expect(router.currentRoute.value.query).toEqual({ other: '1', a: 'x', b: '7' })
})

test('a parameter that is written again while the URL changes is kept', async () => {
  const { router, a, b } = await setup('/list')
  a.value = 'x'
  await Promise.resolve()
  a.value = 'y'
  b.value = 1
  expect(a.value).toBe('y')
  await flushPromises()
  expect(router.currentRoute.value.query).toEqual({ a: 'y', b: '1' })
})

test('the default is left out, and what is invalid reads as the default', async () => {
  const { router, a, b } = await setup('/list?a=x&b=12')
  expect([a.value, b.value]).toEqual(['x', 5])
  a.value = ''
  b.value = 5
  await flushPromises()
  expect(router.currentRoute.value.fullPath).toBe('/list')
})

test('values are parsed strictly', () => {
  expect(['1', '0', 'yes'].map(flag.parse)).toEqual([true, false, false])
  expect(['a', 'c'].map(oneOf(['a', 'b']).parse)).toEqual(['a', null])
  const instants = ['2026-01-01T10:00:00Z', '2026-01-01', '2026-13-01T10:00:00Z', 'now']
  expect(instants.map(instant.parse)).toEqual(['2026-01-01T10:00:00.000Z', null, null, null])
  expect(['3', '03', '10', '-1', '1e1', ''].map(integer(1, 9).parse)).toEqual([3, 3, null, null, null, null])
})
