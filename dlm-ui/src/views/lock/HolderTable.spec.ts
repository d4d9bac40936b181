import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import type { Holder, LockStatus } from '../../api/types'
import { held, row } from '../../state/testData'
import HolderTable from './HolderTable.vue'

function shared(...tokens: number[]): LockStatus {
  const [holder] = held('a', 1).holders
  const holders = tokens.map((token) => ({
    ...(holder as Holder),
    fencing_token: token,
    owner: `owner-${token}`,
  }))
  return held('a', 1, { mode: 'shared', holders, holder_count: holders.length })
}

function setup(status: LockStatus, mayForceRelease = true) {
  const wrapper = mount(HolderTable, {
    props: { status, mayForceRelease },
    global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } },
  })
  const owners = () => wrapper.findAll('[data-testid=holder] td:first-child').map((cell) => cell.text())
  const releases = () => wrapper.findAll('button').filter((button) => button.text() === 'Force-release…')
  return { wrapper, owners, releases }
}

test('holders keep their places while the pointer is on them', async () => {
  const { wrapper, owners, releases } = setup(shared(1, 2, 3))
  const region = wrapper.get('[role=region]')
  await region.trigger('pointerenter', { pointerType: 'mouse' })
  await wrapper.setProps({ status: shared(2, 3, 4) })
  expect(owners()).toEqual(['owner-1', 'owner-2', 'owner-3'])
  expect(wrapper.get('[data-testid=held-back]').text()).toBe('Rows held still: 1 new, 1 gone')
  await releases()[1]?.trigger('click')
  expect(wrapper.emitted<[Holder]>('forceRelease')?.map(([holder]) => holder.fencing_token)).toEqual([2])
  await region.trigger('pointerleave', { pointerType: 'mouse' })
  expect(owners()).toEqual(['owner-2', 'owner-3', 'owner-4'])
})

test('a holder whose lease ended under the pointer can not be force-released, nor its successor', async () => {
  const { wrapper, owners, releases } = setup(shared(1))
  await wrapper.get('[role=region]').trigger('pointerenter', { pointerType: 'mouse' })
  await wrapper.setProps({ status: shared(2) })
  expect(owners()).toEqual(['owner-1'])
  const [button] = releases()
  expect(button?.attributes('aria-disabled')).toBe('true')
  await button?.trigger('click')
  expect(wrapper.emitted('forceRelease')).toBeUndefined()
})

test('without a holder it says whether the lock is free or handed over', () => {
  expect(setup(row()).wrapper.text()).toContain('No holder.')
  expect(setup(row({ queue_len: 2 })).wrapper.text()).toContain('Handing over to the next in the queue…')
})

test('of several holders no button is marked as dangerous: a column of red says nothing', () => {
  const dangerous = (status: LockStatus) => setup(status).wrapper.findAll('button.danger').length
  expect(dangerous(shared(1))).toBe(1)
  expect(dangerous(shared(1, 2))).toBe(0)
})

test('of more holders than are listed the number is said', () => {
  const { wrapper } = setup({ ...shared(1, 2), holder_count: 120 })
  expect(wrapper.get('header').text()).toContain('showing 2 of 120')
})

test('without the role to force-release there are no buttons, and the role is named', () => {
  const { wrapper, releases } = setup(shared(1, 2), false)
  expect(releases()).toEqual([])
  expect(wrapper.text()).toContain('A force-release requires the role admin')
  expect(wrapper.findAll('[data-testid=holder]')).toHaveLength(2)
})
