/** A human-readable duration with at most two units. */
export function duration(ms: number): string {
  const abs = Math.max(0, ms)
  if (abs < 1000) return `${Math.floor(abs)} ms`
  if (abs < 10_000) return `${(Math.floor(abs / 100) / 10).toFixed(1)} s`
  const seconds = Math.floor(abs / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return pair(minutes, 'min', seconds % 60, 's')
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return pair(hours, 'h', minutes % 60, 'min')
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

/** A remaining time. Unlike `duration`, it rounds up and shows `0.0 s` only at zero. */
export function countdown(ms: number): string {
  return ms < 1000 ? `${Math.max(0, Math.ceil(ms / 100) / 10).toFixed(1)} s` : duration(ms)
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`
}

export function count(value: number): string {
  return value.toLocaleString('en')
}

/** A rate per second. */
export function rate(value: number): string {
  if (value === 0) return '0'
  return value < 10 ? value.toFixed(1) : count(Math.round(value))
}

export type Zone = 'utc' | 'local'

export function zoneName(zone: Zone): string {
  return zone === 'utc' ? 'UTC' : 'local'
}

/** A time of day to the second, preceded by the date unless that is today. What it is part of names the zone. */
export function shortTime(ms: number, zone: Zone, now: number): string {
  const date = dateOf(ms, zone)
  const time = timeOf(ms, zone)
  return date === dateOf(now, zone) ? time : `${date} ${time}`
}

/** A time of day with milliseconds and time zone, preceded by the date unless that is today. */
export function clockTime(ms: number, zone: Zone, now: number): string {
  return `${shortTime(ms, zone, now)}.${fraction(ms)} ${zoneName(zone)}`
}

/** A timestamp with milliseconds and time zone. */
export function fullTime(ms: number, zone: Zone): string {
  return `${dateOf(ms, zone)} ${timeOf(ms, zone)}.${fraction(ms)} ${zoneName(zone)}`
}

/** A timestamp for a `datetime-local` field, to the second. */
export function inputTime(ms: number, zone: Zone): string {
  return `${dateOf(ms, zone)}T${timeOf(ms, zone)}`
}

/** The timestamp in a `datetime-local` field; `null` if it is empty or incomplete. */
export function parseInputTime(value: string, zone: Zone): number | null {
  const ms = Date.parse(zone === 'utc' ? `${value}Z` : value)
  return Number.isNaN(ms) ? null : ms
}

function dateOf(ms: number, zone: Zone): string {
  return wallClock(ms, zone).slice(0, 10)
}

function timeOf(ms: number, zone: Zone): string {
  return wallClock(ms, zone).slice(11, 19)
}

function fraction(ms: number): string {
  return wallClock(ms, 'utc').slice(20, 23)
}

/** What a clock in the zone shows, in ISO 8601. */
function wallClock(ms: number, zone: Zone): string {
  const offsetMs = zone === 'utc' ? 0 : new Date(ms).getTimezoneOffset() * 60_000
  return new Date(ms - offsetMs).toISOString()
}

/** The display name of an owner, which may be empty. */
export function ownerName(owner: string): string {
  return owner === '' ? 'no owner' : owner
}
