import { shallowMount } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import { api } from '../api/client'
import AppShell from './AppShell.vue'

test('what the shell adds to the router goes with it', async () => {
  vi.spyOn(api, 'overview').mockReturnValue(new Promise(() => {}))
  const view = { render: () => null }
  const routes = ['/', '/locks'].map((path) => ({ path, component: view }))
  const router = createRouter({ history: createMemoryHistory(), routes })
  const removed = vi.fn()
  let added = 0
  for (const hook of ['beforeEach', 'beforeResolve', 'afterEach'] as const) {
    const original = router[hook].bind(router) as (guard: () => void) => () => void
    vi.spyOn(router, hook).mockImplementation((guard: unknown) => {
      added += 1
      const remove = original(guard as () => void)
      return () => {
        removed()
        remove()
      }
    })
  }
  const wrapper = shallowMount(AppShell, { global: { plugins: [createPinia(), router] } })
  expect(added).toBeGreaterThanOrEqual(3)
  expect(removed).not.toHaveBeenCalled()
  await router.push('/locks')
  wrapper.unmount()
  expect(removed).toHaveBeenCalledTimes(added)
})
