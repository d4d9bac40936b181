import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import { nextTick } from 'vue'
import type { Outcome, Target } from '../../state/bulkRelease'
import { useClock } from '../../stores/clock'
import TargetTable from './TargetTable.vue'

function target(resource: string, part: Partial<Target> = {}): Target {
  const acquiredAt = '2026-01-01T00:00:00.000Z'
  return { resource, owner: 'api', principal: null, token: 7, acquiredAt, queueLen: 0, ...part }
}

const [a, b, c] = ['a', 'b', 'c'].map((name) => target(name)) as [Target, Target, Target]

function setup({
  targets = [a, b, c],
  outcomes = {},
  left = [],
  locked = false,
}: {
  targets?: Target[]
  outcomes?: Record<string, Outcome>
  left?: Target[]
  locked?: boolean
}) {
  const wrapper = mount(TargetTable, {
    props: {
      targets,
      outcomeOf: ({ resource }: Target) => outcomes[resource] ?? null,
      chosen: ({ resource }: Target) => !left.some((other) => other.resource === resource),
      all: left.length === 0,
      locked,
    },
    global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } },
  })
  const boxes = () => wrapper.findAll<HTMLInputElement>('input')
  return { wrapper, boxes, states: () => boxes().map(({ element }) => [element.checked, element.disabled]) }
}

test('each lease has a box of its own, which is unchecked if it is left out', async () => {
  const { wrapper, boxes, states } = setup({ left: [b] })
  expect(states().slice(1)).toEqual([
    [true, false],
    [false, false],
    [true, false],
  ])
  await boxes()[2]?.setValue(true)
  expect(wrapper.emitted('toggle')).toEqual([[b]])
})

test('the box of all leaves all out if all are chosen, and chooses all otherwise', async () => {
  const all = setup({})
  await all.boxes()[0]?.trigger('change')
  expect(all.wrapper.emitted('toggleAll')).toEqual([[false]])
  const some = setup({ left: [b] })
  expect(some.states()[0]).toEqual([false, false])
  await some.boxes()[0]?.trigger('change')
  expect(some.wrapper.emitted('toggleAll')).toEqual([[true]])
})

test('while it runs nothing can be chosen, and later all but what was released', () => {
  const running = setup({ locked: true })
  expect(running.boxes().every(({ element }) => element.disabled)).toBe(true)
  const done = setup({ outcomes: { a: 'released', b: 'changed' } })
  expect(done.states().map(([, disabled]) => disabled)).toEqual([false, true, false, false])
})

test('each outcome says whether something was released', () => {
  const outcomes = { a: 'released', b: 'changed', c: 'refused', d: 'unknown' } as const
  const { wrapper } = setup({ targets: [...'abcde'].map((name) => target(name)), outcomes })
  expect(wrapper.findAll('[data-testid=outcome]').map((cell) => cell.text())).toEqual([
    'released',
    'had ended before: nothing released',
    'refused: nothing released',
    'no answer: repeat to find out',
    '–',
  ])
})

test('two leases of one lock are told apart, and the owner leads to that of the principal', () => {
  const targets = [target('a', { token: 7, principal: 'team' }), target('a', { token: 8 })]
  const { wrapper, boxes } = setup({ targets })
  expect(boxes().map((box) => box.attributes('aria-label'))).toEqual([
    'All leases',
    'Token 7 of a',
    'Token 8 of a',
  ])
  const links = wrapper.findAllComponents(RouterLinkStub).map((link) => link.props('to') as unknown)
  expect(links[1]).toMatchObject({ name: 'owner', params: { owner: 'api' }, query: { principal: 'team' } })
})

test('how long they are held is as of when they were found', async () => {
  const { wrapper } = setup({})
  const clock = useClock()
  const held = () => wrapper.get('time').text()
  clock.now = Date.parse('2026-01-01T00:01:00.000Z')
  await wrapper.setProps({ targets: [a, b] })
  expect(held()).toBe('1 min')
  clock.now += 30_000
  await nextTick()
  expect(held()).toBe('1 min')
  await wrapper.setProps({ targets: [a, b, c] })
  expect(held()).toBe('1 min 30 s')
})
