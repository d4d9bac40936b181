import { mount } from '@vue/test-utils'
import { expect, test } from 'vitest'
import { defineComponent, nextTick, onScopeDispose } from 'vue'
import { createMemoryHistory, createRouter, RouterView } from 'vue-router'
import { withPast } from './withPast'

async function setup(path: string) {
  const log: string[] = []
  const face = (name: string) =>
    defineComponent(() => {
      log.push(`${name} on`)
      onScopeDispose(() => log.push(`${name} off`))
      return () => name
    })
  const component = withPast(face('present'), face('past'))
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: '/locks/:name', component, meta: { past: true } }],
  })
  await router.push(path)
  const wrapper = mount(RouterView, { global: { plugins: [router] } })
  return { wrapper, router, log }
}

test('a view is shown as it is, or as it was, and never runs as both', async () => {
  const { wrapper, router, log } = await setup('/locks/a')
  expect(wrapper.text()).toBe('present')
  await router.push('/locks/a?at=now')
  await nextTick()
  expect(wrapper.text()).toBe('past')
  await router.push('/locks/a')
  await nextTick()
  expect(log).toEqual(['present on', 'present off', 'past on', 'past off', 'present on'])
})

test('another instant is for the same view, and another lock for another', async () => {
  const { router, log } = await setup('/locks/a?at=x')
  await router.push('/locks/a?at=y')
  await nextTick()
  expect(log).toEqual(['past on'])
  await router.push('/locks/b?at=y')
  await nextTick()
  expect(log.slice(1).toSorted()).toEqual(['past off', 'past on'])
})
