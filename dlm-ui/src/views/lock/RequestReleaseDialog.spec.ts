import { flushPromises, mount } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { nextTick } from 'vue'
import { api, ApiError, UnreachableError } from '../../api/client'
import { problem } from '../../api/testing'
import type { Holder, Problem } from '../../api/types'
import { held } from '../../state/testData'
import { useToast } from '../../stores/toast'
import RequestReleaseDialog from './RequestReleaseDialog.vue'

const requestRelease = vi.spyOn(api, 'requestRelease')
let wrapper: ReturnType<typeof open>

function open(part: Partial<Holder> = {}) {
  const [target] = held('a', 7).holders as [Holder]
  return mount(RequestReleaseDialog, {
    props: { name: 'a', target: { ...target, ...part }, open: true },
    global: { plugins: [createPinia()] },
    attachTo: document.body,
  })
}

const dialog = () => document.querySelector<HTMLElement>('[role=dialog]')
const confirm = () => dialog()?.querySelector<HTMLButtonElement>('button[type=submit]') ?? null
const failure = () => dialog()?.querySelector('[data-testid=failure]')?.textContent

async function submit(reason: string): Promise<void> {
  const field = dialog()?.querySelector<HTMLInputElement>('input[name=reason]')
  if (!field) throw new Error('no reason can be given')
  field.value = reason
  field.dispatchEvent(new Event('input'))
  await nextTick()
  dialog()
    ?.querySelector('form')
    ?.dispatchEvent(new Event('submit', { cancelable: true }))
  await flushPromises()
}

async function choose(label: string): Promise<void> {
  const choices = [...(dialog()?.querySelectorAll<HTMLElement>('[role=radio]') ?? [])]
  choices.find(({ textContent }) => textContent?.trim() === label)?.click()
  await nextTick()
}

async function force(): Promise<void> {
  dialog()?.querySelector<HTMLInputElement>('input[type=checkbox]')?.click()
  await nextTick()
}

type Answer = Awaited<ReturnType<typeof api.requestRelease>>

const answer = (part: Partial<Answer> = {}): Answer => ({
  resource: 'a',
  fencing_token: 7,
  requested_at: '2099-01-01T00:00:00.000Z',
  deadline: '2099-01-01T00:01:00.000Z',
  forced: false,
  ...part,
})

beforeEach(async () => {
  requestRelease.mockReset()
  wrapper = open()
  await nextTick()
})
afterEach(() => wrapper.unmount())

test('nobody is asked without a reason', async () => {
  expect(confirm()?.disabled).toBe(true)
  await submit('   ')
  expect(requestRelease).not.toHaveBeenCalled()
})

test('unless chosen otherwise the holder has a minute, and nothing is forced', async () => {
  requestRelease.mockResolvedValue(answer())
  await submit(' deploy ')
  const request = { fencing_token: 7, reason: 'deploy', within_ms: 60_000, force: false }
  expect(requestRelease.mock.calls).toEqual([['a', request]])
  expect(wrapper.emitted('update:open')).toEqual([[false]])
  expect(wrapper.emitted('done')).toHaveLength(1)
})

test('the chosen time and the force are sent, and the button shows that it is dangerous', async () => {
  requestRelease.mockResolvedValue(answer({ forced: true }))
  expect(confirm()?.classList.contains('danger')).toBe(false)
  await choose('5 min')
  await force()
  expect(confirm()?.classList.contains('danger')).toBe(true)
  await submit('deploy')
  expect(requestRelease.mock.calls[0]?.[1]).toMatchObject({ within_ms: 300_000, force: true })
})

test('what stands is what the server answers: an earlier request is not changed', async () => {
  requestRelease.mockResolvedValue(answer({ forced: true }))
  await submit('deploy')
  expect(useToast().text).toMatch(
    /token 7 is asked to release until .*00:01:00\.000.*, and is force-released then$/,
  )
})

test('a holder that was asked before is not asked again', async () => {
  wrapper.unmount()
  const earlier = {
    reason: 'maintenance',
    requested_by: 'ops',
    requested_at: '2099-01-01T00:00:00.000Z',
    deadline: '2099-01-01T00:01:00.000Z',
    force: true,
  }
  wrapper = open({ release_requested: earlier })
  await nextTick()
  await submit('deploy')
  expect(dialog()?.querySelector('[data-testid=earlier]')?.textContent).toMatch(
    /asked to release by ops, forced .*: “maintenance”/s,
  )
  expect(confirm()?.disabled).toBe(true)
  expect(requestRelease).not.toHaveBeenCalled()
})

test('once the lease has ended it says so, and stays open', async () => {
  const [, body] = problem(409, 'holder-changed')
  requestRelease.mockRejectedValue(new ApiError(409, body as Problem, 'changed'))
  await submit('deploy')
  expect(failure()).toBe('The lease has ended. Nobody was asked.')
  expect(wrapper.emitted('update:open')).toBeUndefined()
  expect(wrapper.emitted('done')).toBeUndefined()
})

test('without an answer it says that a repeat is safe, and repeats', async () => {
  requestRelease.mockRejectedValueOnce(new UnreachableError()).mockResolvedValueOnce(answer())
  await submit('deploy')
  expect(failure()).toContain('Repeating is safe')
  expect(confirm()?.disabled).toBe(false)
  await submit('deploy')
  expect(requestRelease).toHaveBeenCalledTimes(2)
  expect(wrapper.emitted('update:open')).toEqual([[false]])
})
