import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { useSettings } from '../stores/settings'
import { inScope } from './testing'
import { useShortcuts } from './useShortcuts'

const action = vi.fn()
let dispose: () => void

beforeEach(() => {
  action.mockReset()
  document.body.innerHTML = ''
  dispose = inScope(() => useShortcuts({ x: action, ' ': action })).dispose
})
afterEach(() => {
  useSettings().keys = 'on'
  dispose()
})

function press(
  key: string,
  part: KeyboardEventInit = {},
  target: EventTarget = document.body,
): KeyboardEvent {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...part })
  target.dispatchEvent(event)
  return event
}

function add(html: string): HTMLElement {
  document.body.innerHTML = html
  const element = document.body.firstElementChild
  if (!(element instanceof HTMLElement)) throw new Error('no element')
  return element
}

test('a key runs its action, and nothing else', () => {
  expect(press('x').defaultPrevented).toBe(true)
  expect(press('y').defaultPrevented).toBe(false)
  expect(action).toHaveBeenCalledTimes(1)
})

test.each(['<input>', '<textarea></textarea>', '<select></select>', '<p contenteditable></p>'])(
  'a key that is typed into %s is text',
  (html) => {
    press('x', {}, add(html))
    expect(action).not.toHaveBeenCalled()
  },
)

test.each(['ctrlKey', 'metaKey', 'altKey'])('a key with %s belongs to the browser', (modifier) => {
  press('x', { [modifier]: true })
  expect(action).not.toHaveBeenCalled()
})

test('the space bar presses a button that has the focus', () => {
  const button = add('<button></button>')
  press(' ', {}, button)
  expect(action).not.toHaveBeenCalled()
  press('x', {}, button)
  expect(action).toHaveBeenCalledTimes(1)
})

test.each(['dialog', 'alertdialog'])('nothing happens behind a %s', (role) => {
  add(`<div role="${role}"></div>`)
  press('x')
  expect(action).not.toHaveBeenCalled()
})

test('shortcuts can be turned off', () => {
  useSettings().keys = 'off'
  press('x')
  expect(action).not.toHaveBeenCalled()
})

test('shortcuts end with their view', () => {
  dispose()
  press('x')
  expect(action).not.toHaveBeenCalled()
})
