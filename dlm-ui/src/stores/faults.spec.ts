import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test } from 'vitest'
import { useFaults } from './faults'

beforeEach(() => setActivePinia(createPinia()))

test('the first error stays until it is dismissed: the others may follow from it', () => {
  const faults = useFaults()
  faults.report(new TypeError('first'))
  faults.report('second')
  expect(faults.message).toBe('first')
  faults.dismiss()
  faults.report('second')
  expect(faults.message).toBe('second')
})

test('errors that reach the window are reported, until that ends', () => {
  const faults = useFaults()
  const stop = faults.watchWindow()
  window.dispatchEvent(new ErrorEvent('error', { message: 'ResizeObserver loop', error: null }))
  expect(faults.message).toBeNull()
  window.dispatchEvent(new ErrorEvent('error', { error: new Error('thrown') }))
  expect(faults.message).toBe('thrown')
  faults.dismiss()
  const rejection = Object.assign(new Event('unhandledrejection'), { reason: new Error('rejected') })
  window.dispatchEvent(rejection)
  expect(faults.message).toBe('rejected')
  faults.dismiss()
  stop()
  window.dispatchEvent(new ErrorEvent('error', { error: new Error('thrown') }))
  expect(faults.message).toBeNull()
})
