import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import { deferred } from '../../composables/testing'
import { useSignIn } from '../../stores/signIn'
import StateView from './StateView.vue'

const at = '2026-01-01T01:00:00.000Z'
const past = {
  at,
  now: at,
  known_since: '2026-01-01T00:00:00.000Z',
  complete: true,
  events_read: 1,
  lock_count: 1,
  locks: [{ resource: 'secret', holder_count: 0, holders: [], queue_len: 0, waiters: [] }],
}

beforeEach(() => setActivePinia(createPinia()))
afterEach(() => vi.unstubAllGlobals())

test('what may no longer be seen goes at once, not with the next answer', async () => {
  const held = deferred<Response>()
  const fetch = vi.fn<typeof globalThis.fetch>(() => held.promise)
  fetch.mockResolvedValueOnce(new Response(JSON.stringify(past), { status: 200 }))
  vi.stubGlobal('fetch', fetch)
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: '/', name: 'state', component: StateView }],
  })
  const view = mount(StateView, { global: { plugins: [router], stubs: { RouterLink: RouterLinkStub } } })
  await vi.waitFor(() => expect(view.text()).toContain('secret'))
  useSignIn().rules = [{ role: 'observe', prefix: 'mine/' }]
  await vi.waitFor(() => expect(fetch).toHaveBeenCalledTimes(2))
  expect(view.text()).not.toContain('secret')
  view.unmount()
})
