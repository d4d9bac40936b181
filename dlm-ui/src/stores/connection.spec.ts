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
