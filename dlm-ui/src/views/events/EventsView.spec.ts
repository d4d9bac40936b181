import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api, ApiError } from '../../api/client'
import { denial, problem } from '../../api/testing'
import type { Problem } from '../../api/types'
import { FakeStream } from '../../composables/testing'
import { granted } from '../../state/testData'
import { useSignIn } from '../../stores/signIn'
import { mountView } from '../testing'
import EventsView from './EventsView.vue'

vi.mock('../../api/eventSocket', async () => ({
  EventSocket: (await import('../../composables/testing')).FakeStream,
}))

const newest = vi.spyOn(api, 'newestEvents')
let unmount = () => {}

async function setup(path = '/events', prepare = () => {}) {
  const { wrapper, router } = await mountView(EventsView, path, prepare)
  unmount = () => wrapper.unmount()
  return { wrapper, router }
}

beforeEach(() => {
  newest.mockReset()
})
afterEach(() => {
  unmount()
  FakeStream.current = null
})

test('without events the page says how they come about', async () => {
  newest.mockResolvedValue({ events: [], cursor: 'c0' })
  const { wrapper } = await setup()
  expect(wrapper.text()).toContain('No events yet')
  expect(wrapper.find('[data-testid=event]').exists()).toBe(false)
})

test('if nothing matches, the filter is cleared with one click', async () => {
  newest.mockResolvedValueOnce({ events: [], cursor: 'c0' })
  newest.mockResolvedValue({ events: [granted(1, 1)], cursor: 'c1' })
  const { wrapper, router } = await setup('/events?kinds=expired&owner=nobody')
  expect(wrapper.text()).toContain('No event found that matches this filter')
  expect(newest.mock.calls[0]?.[0]).toMatchObject({ kinds: ['expired'], owner: 'nobody' })
  await wrapper
    .findAll('button')
    .find((button) => button.text() === 'Clear filters')
    ?.trigger('click')
  await flushPromises()
  expect(router.currentRoute.value.query).toEqual({})
  expect(wrapper.findAll('[data-testid=event]')).toHaveLength(1)
})

test('a refusal of the server is shown, and nothing else', async () => {
  const [status, body] = problem(400, 'invalid-request')
  newest.mockRejectedValue(new ApiError(status, body as Problem, 'refused'))
  const { wrapper } = await setup()
  expect(wrapper.get('.notice').text()).toBe('refused')
  expect(wrapper.text()).not.toContain('No events yet')
  expect(wrapper.text()).not.toContain('Loading')
})

test('without the role to observe, the page says which role is missing', async () => {
  newest.mockRejectedValue(denial('observe'))
  const { wrapper } = await setup()
  expect(wrapper.text()).toContain('You may not see any locks')
  expect(wrapper.text()).toContain('observe')
  expect(wrapper.text()).not.toContain('No events yet')
})

test('with authentication the events are those of a principal, if one is entered', async () => {
  newest.mockResolvedValue({ events: [granted(1, 1, { principal: 'api' })], cursor: 'c1' })
  const { wrapper, router } = await setup('/events?owner=one', () => (useSignIn().state = 'signed-in'))
  await wrapper.get('input[placeholder="Principal, in full"]').setValue('api')
  await flushPromises()
  expect(router.currentRoute.value.query).toEqual({ owner: 'one', principal: 'api' })
  expect(newest.mock.lastCall?.[0]).toMatchObject({ owner: 'one', principal: 'api' })
  expect(wrapper.text()).toContain('only grants to it and force-releases by it')
})

test('without authentication there is a field for the principal only while one is in the address', async () => {
  newest.mockResolvedValue({ events: [], cursor: 'c1' })
  const { wrapper } = await setup('/events?principal=api', () => (useSignIn().state = 'open'))
  const fields = () => wrapper.findAll('input[placeholder="Principal, in full"]')
  expect(fields().map((field) => (field.element as HTMLInputElement).value)).toEqual(['api'])
  await wrapper
    .findAll('button')
    .find((button) => button.text() === 'Clear filters')
    ?.trigger('click')
  await flushPromises()
  expect(fields()).toEqual([])
  expect(newest.mock.lastCall?.[0]).toMatchObject({ principal: '' })
})
