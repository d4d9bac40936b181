import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api, ApiError } from '../../api/client'
import { denial, problem } from '../../api/testing'
import type { AccessRule, LockPage, LockStatus, Problem } from '../../api/types'
import { deferred, FakeStream, stream } from '../../composables/testing'
import { event, granted, held } from '../../state/testData'
import { useSignIn } from '../../stores/signIn'
import { mountView } from '../testing'
import LocksView from './LocksView.vue'

vi.mock('../../api/eventSocket', async () => ({
  EventSocket: (await import('../../composables/testing')).FakeStream,
}))

const list = vi.spyOn(api, 'list')
const status = vi.spyOn(api, 'status')
const holdStatistics = vi
  .spyOn(api, 'holdStatistics')
  .mockResolvedValue({ at: '2030-01-01T00:00:00.000Z', locks: [] })
// The test's document has no layout, and only rows in sight are rendered.
for (const size of ['offsetHeight', 'offsetWidth', 'clientHeight', 'clientWidth'] as const)
  vi.spyOn(HTMLElement.prototype, size, 'get').mockReturnValue(1_200)
let unmount = () => {}

const page = (...locks: LockStatus[]) => ({ locks, next: null, cursor: 'c0' })

async function setup(path = '/locks', rules?: AccessRule[]) {
  const { wrapper, router } = await mountView(LocksView, path, () => {
    if (rules) useSignIn().rules = rules
  })
  unmount = () => wrapper.unmount()
  const names = () => wrapper.findAll('[role=gridcell].name').map((cell) => cell.text())
  return { wrapper, router, names }
}

/** Waits until a change of the list has been drawn. */
const drawn = (condition: () => void) => vi.waitFor(condition, { timeout: 5_000 })

beforeEach(() => {
  list.mockReset()
  status.mockReset()
})
afterEach(() => {
  unmount()
  FakeStream.current = null
})

test('rows keep their places under the pointer, and change when it leaves', async () => {
  list.mockResolvedValue(page(held('b', 1), held('c', 1)))
  const { wrapper, names } = await setup()
  await drawn(() => expect(names()).toEqual(['b', 'c']))
  const grid = wrapper.get('[role=grid]')
  await grid.trigger('pointerenter', { pointerType: 'mouse' })
  stream().emit(granted(1, 1, { resource: 'a' }), event('released', 2, { resource: 'b', fencing_token: 1 }))
  await drawn(() =>
    expect(wrapper.get('[data-testid=held-back]').text()).toBe('Rows held still: 1 new, 1 gone'),
  )
  expect(names()).toEqual(['b', 'c'])
  expect(wrapper.get('[data-testid=count]').text()).toBe('2 locks')
  await grid.trigger('pointerleave', { pointerType: 'mouse' })
  await drawn(() => expect(names()).toEqual(['a', 'c']))
  expect(wrapper.find('[data-testid=held-back]').exists()).toBe(false)
})

test('an empty list says how a lock is acquired', async () => {
  list.mockResolvedValue(page())
  const { wrapper } = await setup()
  expect(wrapper.text()).toContain('No locks held')
  expect(wrapper.text()).toContain('/acquire')
})

test('if nothing matches, the filter is cleared with one click', async () => {
  list.mockResolvedValueOnce(page())
  list.mockResolvedValue(page(held('a', 1)))
  const { wrapper, names } = await setup('/locks?prefix=none')
  expect(wrapper.text()).toContain('No locks match this filter')
  await wrapper
    .findAll('button')
    .find((button) => button.text() === 'Clear filters')
    ?.trigger('click')
  await flushPromises()
  await drawn(() => expect(names()).toEqual(['a']))
})

/** Held by this owner since this second. */
function heldBy(resource: string, owner: string, second = 0): LockStatus {
  const lock = held(resource, 1)
  const acquired_at = new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString()
  return { ...lock, holders: lock.holders.map((holder) => ({ ...holder, owner, acquired_at })) }
}

test('while pages of the list are still loaded, nothing is said not to match', async () => {
  const second = deferred<LockPage>()
  list
    .mockResolvedValueOnce({ locks: [held('a', 1)], next: 'a', cursor: 'c0' })
    .mockReturnValueOnce(second.promise)
  const { wrapper, names } = await setup('/locks?owner=stuck-one')
  expect(wrapper.text()).not.toContain('No locks match')
  expect(wrapper.get('[data-testid=count]').text()).toBe('0 of 1 lock, loading…')
  second.resolve(page(heldBy('z', 'stuck-one')))
  await drawn(() => expect(names()).toEqual(['z']))
  expect(wrapper.get('[data-testid=count]').text()).toBe('1 of 2 locks')
})

test('a refused list is not said to have no match', async () => {
  const [code, body] = problem(400, 'invalid-request')
  list.mockRejectedValue(new ApiError(code, body as Problem, 'refused'))
  const { wrapper } = await setup('/locks?owner=a')
  expect(wrapper.get('.notice').text()).toBe('refused')
  expect(wrapper.text()).not.toContain('No locks match')
})

test('if the owner may be a holder that is not listed, that is said, with a link to the owner', async () => {
  list.mockResolvedValue(page(held('a', 1), held('sh/many', 120, { mode: 'shared', holder_count: 120 })))
  const { wrapper } = await setup('/locks?owner=reader-115')
  expect(wrapper.get('[data-testid=count]').text()).toBe(
    '0 of 2 locks; at most 100 holders of each are searched',
  )
  expect(wrapper.get('h2').text()).toBe('No listed holder matches')
  expect(wrapper.text()).toContain('1 lock has more holders than are listed')
  expect(wrapper.findAll('.empty a').map((link) => link.attributes('href'))).toEqual([
    '/owners/reader-115',
    '/owners?contains=reader-115',
  ])
})

test('the filter by owner says that it looks at holders, and leads to what the owner waits for', async () => {
  list.mockResolvedValue(page(held('m/db', 1, { queue_len: 1 })))
  const { wrapper } = await setup('/locks?owner=w5&state=all')
  expect(wrapper.get('h2').text()).toBe('No locks match this filter')
  expect(wrapper.text()).toContain('The filter looks at the owners of holders, not of waiters')
  expect(wrapper.get('.empty a').attributes('href')).toBe('/owners/w5')
  await wrapper.get('[title="Filter (f)"]').trigger('click')
  await vi.waitFor(() => expect(document.body.textContent).toContain('Part of a holder’s owner'))
})

test('the locks held longest, wherever in the list, are ordered by their usual hold', async () => {
  const locks = Array.from({ length: 130 }, (_, index) =>
    heldBy(`aa/${String(index).padStart(3, '0')}`, 'one', 30),
  )
  list.mockResolvedValue(page(...locks, heldBy('zz/stuck', 'one', 1)))
  const hold = {
    samples: 3,
    p50_ms: 10,
    p95_ms: 10,
    max_ms: 10,
    recent_ms: [10],
    since: '2026-01-01T00:00:00Z',
  }
  holdStatistics.mockImplementation(async (names) => ({
    at: '2030-01-01T00:00:00.000Z',
    locks: names.map((resource) => ({ resource, hold: resource === 'zz/stuck' ? hold : null })),
  }))
  const { wrapper, names } = await setup('/locks?sort=usual')
  await drawn(() => expect(names()[0]).toBe('zz/stuck'))
  expect(wrapper.get('[data-testid=count]').text()).toBe(
    '131 locks; the 100 held longest are ordered by usual hold',
  )
})

test('a refusal of the server is shown, and nothing else', async () => {
  const [code, body] = problem(400, 'invalid-request')
  list.mockRejectedValue(new ApiError(code, body as Problem, 'refused'))
  const { wrapper } = await setup()
  expect(wrapper.get('.notice').text()).toBe('refused')
  expect(wrapper.text()).not.toContain('No locks')
})

const three = () => list.mockResolvedValue(page(held('a', 1), held('b', 1), held('c', 1)))

test('locks are selected with x, by a click on their box, and up to one with Shift', async () => {
  three()
  const { wrapper, names } = await setup()
  await drawn(() => expect(names()).toHaveLength(3))
  const boxes = () =>
    wrapper.findAll<HTMLInputElement>('[data-testid=select] input').map(({ element }) => element.checked)
  window.dispatchEvent(new KeyboardEvent('keydown', { key: 'x' }))
  await flushPromises()
  expect(boxes()).toEqual([true, false, false])
  expect(wrapper.get('[data-testid=selected]').text()).toBe('1 lock selected')
  await wrapper.findAll('[role=gridcell].name')[2]?.trigger('click', { shiftKey: true })
  expect(boxes()).toEqual([true, true, true])
  await wrapper.findAll('[data-testid=select]')[1]?.trigger('click')
  expect(boxes()).toEqual([true, false, true])
  expect(wrapper.get('[data-testid=selected]').text()).toBe('2 locks selected')
  await wrapper
    .findAll('button')
    .find((button) => button.text() === 'Clear')
    ?.trigger('click')
  expect(boxes()).toEqual([false, false, false])
  expect(wrapper.find('[data-testid=selected]').exists()).toBe(false)
})

test('a selection is of names: it stays while rows come and go, and leads to exactly these locks', async () => {
  three()
  const { wrapper, router, names } = await setup()
  await drawn(() => expect(names()).toHaveLength(3))
  await wrapper.findAll('[data-testid=select]')[1]?.trigger('click')
  stream().emit(granted(1, 1, { resource: 'aa' }), event('released', 2, { resource: 'a', fencing_token: 1 }))
  await drawn(() => expect(names()).toEqual(['aa', 'b', 'c']))
  const chosen = wrapper
    .findAll('[role=row]')
    .filter((line) => line.find<HTMLInputElement>('input').exists() && line.get('input').element.checked)
  expect(chosen.map((line) => line.get('.name').text())).toEqual(['b'])
  await wrapper
    .findAll('[aria-label="Selected locks"] button')
    .find((button) => button.text() === 'Force-release…')
    ?.trigger('click')
  await vi.waitFor(() => expect(router.currentRoute.value.fullPath).toBe('/release?selected=1'))
  expect(router.options.history.state['names']).toEqual(['b'])
})

test('who may not force-release a lock can not select it, and without the role there is no column', async () => {
  three()
  const { wrapper, names } = await setup()
  await drawn(() => expect(names()).toHaveLength(3))
  expect(wrapper.findAll('[role=columnheader]').map((cell) => cell.text())).toContain('Selected')
  unmount()
  const { wrapper: other, names: others } = await setup('/locks', [
    { role: 'observe', prefix: '' },
    { role: 'admin', prefix: 'b' },
  ])
  await drawn(() => expect(others()).toHaveLength(3))
  expect(other.findAll('[data-testid=select] input').map((box) => box.attributes('disabled'))).toEqual([
    '',
    undefined,
    '',
  ])
  await other.findAll('[data-testid=select]')[0]?.trigger('click')
  await other.findAll('[role=gridcell].name')[0]?.trigger('click', { shiftKey: true })
  expect(other.find('[data-testid=selected]').exists()).toBe(false)
  unmount()
  const { wrapper: observer } = await setup('/locks', [{ role: 'observe', prefix: '' }])
  await drawn(() => expect(observer.findAll('[role=columnheader]').length).toBeGreaterThan(0))
  expect(observer.find('[data-testid=select]').exists()).toBe(false)
})

test('without the role to observe, the list says which role is missing', async () => {
  list.mockRejectedValue(denial('observe'))
  const { wrapper } = await setup()
  expect(wrapper.text()).toContain('You may not see any locks')
  expect(wrapper.text()).not.toContain('No locks held')
})
