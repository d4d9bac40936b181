// How the times of a page are shown, and that they stand still once the page is stale.
import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test, vi } from 'vitest'
import { nextTick, type Component } from 'vue'
import { useClock } from '../stores/clock'
import { useConnection } from '../stores/connection'
import ElapsedTime from './ElapsedTime.vue'
import TimestampText from './TimestampText.vue'
import TtlBar from './TtlBar.vue'

const NOW = Date.parse('2030-01-01T00:00:00.000Z')
const at = (ms: number) => new Date(NOW + ms).toISOString()

beforeEach(() => {
  setActivePinia(createPinia())
  const clock = useClock()
  clock.offset = NOW - performance.now()
  clock.now = NOW
})

const text = (component: Component, props: object) => mount(component, { props }).text()

test('an event that has happened is never shown as to come', () => {
  expect(text(TimestampText, { at: at(-3_000) })).toBe('3.0 s ago')
  expect(text(TimestampText, { at: at(100) })).toBe('0 ms ago')
})

test('a deadline may be to come', () => {
  expect(text(TimestampText, { at: at(90_000), future: true })).toBe('in 1 min 30 s')
  expect(text(TimestampText, { at: at(-2_000), future: true })).toBe('2.0 s ago')
})

test('a lease has no more left than its TTL, unless its TTL was shortened', () => {
  expect(text(TtlBar, { expiresAt: at(30_900), ttlMs: 30_000 })).toBe('30 s')
  expect(text(TtlBar, { expiresAt: at(29_100), ttlMs: 30_000 })).toBe('29 s')
  expect(text(TtlBar, { expiresAt: at(55_000), ttlMs: 5_000 })).toBe('55 s')
  // An event tells when a lease expires, but not always its TTL.
  expect(text(TtlBar, { expiresAt: at(700), ttlMs: 0 })).toBe('0.7 s')
})

test('the time elapsed until an instant of the past is that, whatever the time is', () => {
  expect(text(ElapsedTime, { at: at(-3_600_000), until: at(-3_590_000) })).toBe('10 s')
})

test('times stand still from the last contact on, and go on with the next', async () => {
  const clock = useClock()
  const connection = useConnection()
  const elapsed = mount(ElapsedTime, { props: { at: at(-60_000) } })
  const ago = mount(TimestampText, { props: { at: at(-60_000) } })
  const left = mount(TtlBar, { props: { expiresAt: at(30_000), ttlMs: 30_000 } })
  const shown = () => [elapsed, ago, left].map((wrapper) => wrapper.text())
  connection.setStatus('live')
  const before = shown()
  expect(before).toEqual(['1 min', '1 min ago', '30 s'])
  connection.setStatus('disconnected', NOW - clock.offset)
  clock.now = NOW + 20_000
  await nextTick()
  expect(shown()).toEqual(before)
  connection.setStatus('live')
  await nextTick()
  expect(shown()).toEqual(['1 min 20 s', '1 min 20 s ago', '10 s'])
})

test('what is out of sight follows to ten seconds, and exactly once it is in sight', async () => {
  const observed = new Map<Element, (inSight: boolean) => void>()
  vi.stubGlobal(
    'IntersectionObserver',
    class {
      readonly call: IntersectionObserverCallback
      constructor(call: IntersectionObserverCallback) {
        this.call = call
      }
      observe(target: Element) {
        observed.set(target, (isIntersecting) =>
          this.call(
            [{ target, isIntersecting } as unknown as IntersectionObserverEntry],
            this as unknown as IntersectionObserver,
          ),
        )
      }
      unobserve(target: Element) {
        observed.delete(target)
      }
    },
  )
  const clock = useClock()
  const wrapper = mount(ElapsedTime, { props: { at: at(-60_000) } })
  const element = wrapper.element as Element
  const show = async (inSight: boolean) => {
    observed.get(element)?.(inSight)
    await nextTick()
    return wrapper.text()
  }
  const pass = async (ms: number) => {
    clock.now += ms
    await nextTick()
    return wrapper.text()
  }
  expect(await pass(1_000)).toBe('1 min 1 s')
  expect(await show(false)).toBe('1 min')
  expect(await pass(8_000)).toBe('1 min')
  expect(await pass(1_000)).toBe('1 min 10 s')
  expect(await pass(1_000)).toBe('1 min 10 s')
  expect(await show(true)).toBe('1 min 11 s')
  wrapper.unmount()
  expect(observed.has(element)).toBe(false)
})
