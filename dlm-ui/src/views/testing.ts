// Mounts a view as the page does: with stores, routes, and the address it is at. `prepare` sets the stores up.
import { flushPromises, mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import type { Component } from 'vue'
import { createMemoryHistory, createRouter, type RouteLocationRaw } from 'vue-router'
import { router as pageRouter } from '../router'

export async function mountView(view: Component, path: RouteLocationRaw, prepare = () => {}) {
  const router = createRouter({ history: createMemoryHistory(), routes: pageRouter.options.routes })
  await router.push(path)
  const pinia = createPinia()
  setActivePinia(pinia)
  prepare()
  const wrapper = mount(view, { global: { plugins: [pinia, router] }, attachTo: document.body })
  await flushPromises()
  return { wrapper, router }
}
