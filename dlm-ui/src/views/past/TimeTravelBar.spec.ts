import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api, ApiError } from '../../api/client'
import { pastState } from '../../state/testData'
import { mountView } from '../testing'
import PastOverview from './PastOverview.vue'

const stateAt = vi.spyOn(api, 'stateAt')
const AT = pastState([]).at
let unmount = () => {}

async function setup(at = AT) {
  const { wrapper, router } = await mountView(PastOverview, `/?at=${at}`)
  unmount = () => wrapper.unmount()
  const press = async (label: string) => {
    await wrapper
      .findAll('button')
      .find((button) => button.text() === label)
      ?.trigger('click')
    await flushPromises()
  }
  return { wrapper, press, query: () => router.currentRoute.value.query }
}

beforeEach(() => {
  stateAt.mockReset().mockImplementation(async (at) => pastState([], at ? { at } : {}))
})
afterEach(() => {
  unmount()
  vi.useRealTimers()
})

test('steps lead to other instants', async () => {
  const { wrapper, press, query } = await setup()
  expect(wrapper.get('[data-testid=instant]').text()).toBe('As it was at 2026-01-01 00:30:00.000 UTC')
  await press('−1 min')
  expect(query()).toEqual({ at: '2026-01-01T00:29:00.000Z' })
  await press('+1 s')
  expect(query()).toEqual({ at: '2026-01-01T00:29:01.000Z' })
  expect(wrapper.get('[data-testid=instant]').text()).toContain('00:29:01.000')
})

test('the slider covers what the log has, and asks when it comes to rest', async () => {
  const { wrapper, query } = await setup()
  vi.useFakeTimers()
  const slider = wrapper.get<HTMLInputElement>('[type=range]')
  expect(slider.attributes()).toMatchObject({
    min: String(Date.parse('2026-01-01T00:00:00.000Z')),
    max: String(Date.parse('2026-01-01T01:00:00.000Z')),
  })
  for (const picked of ['2026-01-01T00:10:00.000Z', '2026-01-01T00:12:00.000Z']) {
    slider.element.value = String(Date.parse(picked))
    await slider.trigger('input')
  }
  expect(wrapper.get('[data-testid=instant]').text()).toContain('00:12:00.000')
  expect(query()).toEqual({ at: AT })
  await vi.advanceTimersByTimeAsync(300)
  expect(query()).toEqual({ at: '2026-01-01T00:12:00.000Z' })
  expect(stateAt).toHaveBeenCalledTimes(2)
})

test('an instant is typed', async () => {
  const { wrapper, query } = await setup()
  await wrapper.get('[type=datetime-local]').setValue('2026-01-01T00:15:00')
  await flushPromises()
  expect(query()).toEqual({ at: '2026-01-01T00:15:00.000Z' })
})

test('Now leads to the present', async () => {
  const { press, query } = await setup()
  await press('Now')
  expect(query()).toEqual({})
})

test('an instant that the server refuses is unknown, and there is a way back', async () => {
  stateAt.mockRejectedValue(new ApiError(400, null, '`at` is not an RFC 3339 timestamp'))
  const { wrapper, press, query } = await setup('yesterday')
  expect(wrapper.get('[data-testid=unknown]').text()).toContain('`at` is not an RFC 3339 timestamp')
  expect(wrapper.find('[type=range]').exists()).toBe(false)
  await press('Now')
  expect(query()).toEqual({})
})
