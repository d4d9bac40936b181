import { expect, test } from 'vitest'
import { thresholdsOf } from './thresholds'

const flags = { trouble_wait_ms: 2_000, trouble_hold_ms: 3_000 }

test('the thresholds are those of the server unless the settings say otherwise', () => {
  const server = { troubleWait: 'server', troubleHold: 'server' } as const
  expect(thresholdsOf(flags, server)).toEqual({ waitMs: 2_000, holdMs: 3_000 })
  expect(thresholdsOf(flags, { ...server, troubleWait: '5m' })).toEqual({ waitMs: 300_000, holdMs: 3_000 })
  expect(thresholdsOf(flags, { ...server, troubleHold: 'off' })).toEqual({ waitMs: 2_000, holdMs: null })
})

test('of a server that does not tell, waits are long after 30 s, and holds are never', () => {
  const server = { troubleWait: 'server', troubleHold: 'server' } as const
  expect(thresholdsOf({}, server)).toEqual({ waitMs: 30_000, holdMs: null })
  expect(thresholdsOf({ trouble_hold_ms: null }, server).holdMs).toBeNull()
})
