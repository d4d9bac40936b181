import { expect, test } from 'vitest'
import {
  clockTime,
  countdown,
  duration,
  fullTime,
  inputTime,
  parseInputTime,
  rate,
  shortTime,
} from './format'

test.each([
  [-5, '0 ms'],
  [0, '0 ms'],
  [999.6, '999 ms'],
  [1_000, '1.0 s'],
  [9_999, '9.9 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [192_000, '3 min 12 s'],
  [7_500_000, '2 h 5 min'],
  [273_600_000, '3 d 4 h'],
])('%d ms is formatted as %s', (ms, expected) => {
  expect(duration(ms)).toBe(expected)
})

test('a countdown shows zero only at zero', () => {
  expect(countdown(1)).toBe('0.1 s')
  expect(countdown(0)).toBe('0.0 s')
  expect(countdown(30_000)).toBe('30 s')
})

test('a time of day includes the date unless it is today', () => {
  const noon = Date.UTC(2026, 0, 2, 12, 0, 5, 7)
  expect(shortTime(noon, 'utc', noon + 1)).toBe('12:00:05')
  expect(shortTime(noon, 'utc', noon + 86_400_000)).toBe('2026-01-02 12:00:05')
  expect(fullTime(noon, 'utc')).toBe('2026-01-02 12:00:05.007 UTC')
})

test.each(['utc', 'local'] as const)('a clock time in %s has milliseconds and names its zone', (zone) => {
  const at = new Date(2026, 0, 2, 12, 0, 5, 7)
  const shown = clockTime(at.getTime(), zone, at.getTime())
  const hours = zone === 'utc' ? at.getUTCHours() : at.getHours()
  expect(shown).toBe(`${String(hours).padStart(2, '0')}:00:05.007 ${zone === 'utc' ? 'UTC' : 'local'}`)
})

test('rates have one decimal below ten and none above', () => {
  expect([0, 0.3, 9.96, 1234.4].map(rate)).toEqual(['0', '0.3', '10.0', '1,234'])
})

test.each(['utc', 'local'] as const)('a time entered in a field is the one that it shows in %s', (zone) => {
  const ms = Date.parse('2026-03-29T00:59:58.900Z')
  const shown = inputTime(ms, zone)
  expect(shown).toMatch(/^2026-03-\d\dT\d\d:59:58$/)
  expect(parseInputTime(shown, zone)).toBe(ms - 900)
  // A field leaves out the seconds of a whole minute.
  const minute = inputTime(Date.parse('2026-03-29T00:59:00Z'), zone)
  expect(parseInputTime(minute.replace(/:00$/, ''), zone)).toBe(Date.parse('2026-03-29T00:59:00Z'))
  expect(parseInputTime('', zone)).toBeNull()
})
