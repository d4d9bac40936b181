// Mounts a view as the page does: with stores, routes, and the address it is at.
import { flushPromises, mount } from '@vue/test-utils'
import { createPinia } from 'pinia'
import type { Component } from 'vue'
import { createMemoryHistory, createRouter } from 'vue-router'
import { router as pageRouter } from '../router'

export async function mountView(view: Component, path: string) {
  const router = createRouter({ history: createMemoryHistory(), routes: pageRouter.options.routes })
  await router.push(path)
  const wrapper = mount(view, { global: { plugins: [createPinia(), router] }, attachTo: document.body })
  await flushPromises()
  return { wrapper, router }
}
