import { flushPromises } from '@vue/test-utils'
import { afterEach, expect, test, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import { carryInstant } from './carryInstant'

const AT = '2026-01-01T01:00:00.000Z'
const component = { render: () => null }
let end = () => {}
afterEach(() => end())

async function setup(path: string, active = () => true) {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [
      { path: '/', name: 'overview', component, meta: { past: true } },
      { path: '/locks/:name', name: 'lock', component, meta: { past: true } },
      { path: '/playground', component },
    ],
  })
  end = carryInstant(router, active)
  await router.push(path)
  return router
}

test('another view that has a past is shown at the same instant', async () => {
  const router = await setup(`/?at=${AT}`)
  await router.push({ name: 'lock', params: { name: 'orders/42' }, query: { span: '1h' } })
  const { params, query } = router.currentRoute.value
  expect(params).toEqual({ name: 'orders/42' })
  expect(query).toEqual({ span: '1h', at: AT })
})

test('a link that has an instant of its own keeps it', async () => {
  const router = await setup(`/?at=${AT}`)
  await router.push('/locks/a?at=now')
  expect(router.currentRoute.value.query).toEqual({ at: 'now' })
})

test('the present, and a view without a past, pass nothing on', async () => {
  const router = await setup('/')
  await router.push('/locks/a')
  expect(router.currentRoute.value.query).toEqual({})
  await router.push(`/locks/a?at=${AT}`)
  await router.push('/playground')
  expect(router.currentRoute.value.query).toEqual({})
  await router.push('/')
  expect(router.currentRoute.value.query).toEqual({})
})

test('the same view is left for the present', async () => {
  const router = await setup(`/locks/a?at=${AT}`)
  await router.push('/locks/a')
  expect(router.currentRoute.value.query).toEqual({})
})

test('Back leads to the present if that was there', async () => {
  const router = await setup('/')
  await router.push(`/locks/a?at=${AT}`)
  router.back()
  await flushPromises()
  await vi.waitFor(() => expect(router.currentRoute.value.fullPath).toBe('/'))
  router.forward()
  await vi.waitFor(() => expect(router.currentRoute.value.query).toEqual({ at: AT }))
  await router.push('/')
  expect(router.currentRoute.value.query).toEqual({ at: AT })
})

test('nothing is passed on to whoever signs in next', async () => {
  const router = await setup(`/locks/a?at=${AT}`, () => false)
  await router.replace('/')
  expect(router.currentRoute.value.query).toEqual({})
})
