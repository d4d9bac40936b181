import { flushPromises, mount } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { nextTick } from 'vue'
import { api, ApiError, UnreachableError } from '../../api/client'
import { problem } from '../../api/testing'
import type { Holder, LockStatus, Problem } from '../../api/types'
import { held, row } from '../../state/testData'
import ForceReleaseDialog from './ForceReleaseDialog.vue'

const forceRelease = vi.spyOn(api, 'forceRelease')
let wrapper: ReturnType<typeof open>

function open(status: LockStatus) {
  const [target] = held('a', 7).holders as [Holder]
  return mount(ForceReleaseDialog, {
    props: { name: 'a', target, status, explanation: null, open: true },
    global: { plugins: [createPinia()] },
    attachTo: document.body,
  })
}

const dialog = () => document.querySelector<HTMLElement>('[role=alertdialog]')
const confirm = () => dialog()?.querySelector<HTMLButtonElement>('button[type=submit]') ?? null

async function submit(reason: string): Promise<void> {
  const field = dialog()?.querySelector('input')
  if (!field) throw new Error('no reason can be given')
  field.value = reason
  field.dispatchEvent(new Event('input'))
  await nextTick()
  dialog()
    ?.querySelector('form')
    ?.dispatchEvent(new Event('submit', { cancelable: true }))
  await flushPromises()
}

beforeEach(async () => {
  forceRelease.mockReset()
  wrapper = open(held('a', 7))
  await nextTick()
})
afterEach(() => wrapper.unmount())

test('nothing is released without a reason', async () => {
  expect(confirm()?.disabled).toBe(true)
  await submit('   ')
  expect(forceRelease).not.toHaveBeenCalled()
})

test('exactly the lease that was chosen is released, with the reason', async () => {
  forceRelease.mockResolvedValue({ current_token: 8, released: held('a', 7).holders[0] as Holder })
  await submit(' host is gone ')
  expect(forceRelease.mock.calls).toEqual([['a', 7, 'host is gone']])
  expect(wrapper.emitted('update:open')).toEqual([[false]])
})

test('once the lease has ended, the dialog says so and releases no other', async () => {
  await wrapper.setProps({ status: held('a', 8) })
  expect(dialog()?.querySelector('[data-testid=changed]')?.textContent).toContain('Nothing was released')
  expect(confirm()).toBeNull()
})

test('a holder that is only not among those listed may still be released', async () => {
  const others = held('a', 8, { holder_count: 500 })
  await wrapper.setProps({ status: others })
  expect(dialog()?.querySelector('[data-testid=changed]')).toBeNull()
})

test('without an answer the outcome is called unknown, and can be repeated after the lease has ended', async () => {
  forceRelease.mockRejectedValueOnce(new UnreachableError())
  await submit('host is gone')
  expect(dialog()?.querySelector('[data-testid=failure]')?.textContent).toContain('may or may not')
  await wrapper.setProps({ status: row({ version: 9 }) })
  expect(confirm()?.disabled).toBe(false)
  expect(wrapper.emitted('update:open')).toBeUndefined()
})

test('a lease that the server found ended is not offered again', async () => {
  const [, body] = problem(409, 'holder-changed')
  forceRelease.mockRejectedValueOnce(new ApiError(409, body as Problem, 'changed'))
  await submit('host is gone')
  expect(dialog()?.querySelector('[data-testid=changed]')).not.toBeNull()
  expect(confirm()).toBeNull()
})

test('it names the holder that was chosen, also when others hold the lock too', async () => {
  const [chosen] = held('a', 7).holders as [Holder]
  const other = { ...chosen, fencing_token: 8, owner: 'other' }
  await wrapper.setProps({
    target: { ...chosen, owner: 'chosen' },
    status: held('a', 8, {
      mode: 'shared',
      holders: [other, { ...chosen, owner: 'chosen' }],
      holder_count: 2,
    }),
  })
  const facts = [...(dialog()?.querySelectorAll('dd') ?? [])].map(({ textContent }) => textContent)
  expect(facts.slice(0, 2)).toEqual(['chosen', '7'])
  expect(confirm()?.textContent?.trim()).toBe('Force-release token 7')
})

test('after a change the new holder is reviewed, and released only once it was chosen', async () => {
  const next = held('a', 8)
  await wrapper.setProps({ status: next })
  const review = [...(dialog()?.querySelectorAll('button') ?? [])].find(
    ({ textContent }) => textContent?.trim() === 'Review new holder',
  )
  review?.click()
  expect(wrapper.emitted<[Holder]>('review')?.map(([holder]) => holder.fencing_token)).toEqual([8])
  expect(forceRelease).not.toHaveBeenCalled()
  await wrapper.setProps({ target: next.holders[0] as Holder })
  expect(dialog()?.querySelector('[data-testid=changed]')).toBeNull()
  expect(confirm()?.textContent?.trim()).toBe('Force-release token 8')
})
