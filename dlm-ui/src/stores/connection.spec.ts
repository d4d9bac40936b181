import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test } from 'vitest'
import { useClock } from './clock'
import { useConnection } from './connection'

beforeEach(() => setActivePinia(createPinia()))

test('the page is stale since the last contact, however often it fails to connect', () => {
  const clock = useClock()
  const connection = useConnection()
  clock.offset = 1_000_000
  connection.setStatus('live')
  connection.setStatus('disconnected', 500)
  connection.setStatus('disconnected', 9_000)
  clock.now = 1_010_000
  expect(connection.staleSince).toBe(1_000_500)
  expect(connection.asOf).toBe(1_000_500)
  connection.setStatus('live')
  expect([connection.staleSince, connection.asOf]).toEqual([null, 1_010_000])
})

test('views that read nothing, or have no answer yet, do not change since when the server is away', () => {
  const clock = useClock()
  const connection = useConnection()
  clock.offset = 0
  connection.setStatus('disconnected', 500)
  clock.now = 10_000
  connection.setIdle()
  expect([connection.staleSince, connection.asOf]).toEqual([null, 10_000])
  connection.setStatus('loading')
  connection.setStatus('disconnected', 9_000)
  expect(connection.staleSince).toBe(500)
  // An answer that ends the view is one.
  connection.setStatus('idle')
  connection.setStatus('disconnected', 9_000)
  clock.now = 20_000
  expect(connection.staleSince).toBe(9_000)
})
