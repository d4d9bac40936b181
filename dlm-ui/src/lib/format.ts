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

/** A time of day, preceded by the date unless that is today. */
export function clockTime(ms: number, zone: Zone, now: number): string {
  const date = dateOf(ms, zone)
  const time = timeOf(ms, zone)
  return date === dateOf(now, zone) ? time : `${date} ${time}`
}

/** A timestamp with milliseconds and time zone. */
export function fullTime(ms: number, zone: Zone): string {
  if (zone === 'utc') return new Date(ms).toISOString().replace('T', ' ').replace('Z', ' UTC')
  const fraction = String(((ms % 1000) + 1000) % 1000).padStart(3, '0')
  const time = timeOf(ms, zone)
  return `${dateOf(ms, zone)} ${time}.${fraction} local`
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
  // The Swedish locale formats dates as ISO 8601.
  return new Date(ms).toLocaleDateString('sv-SE', zone === 'utc' ? { timeZone: 'UTC' } : {})
}

function timeOf(ms: number, zone: Zone): string {
  const options = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const
  return new Date(ms).toLocaleTimeString('sv-SE', zone === 'utc' ? { ...options, timeZone: 'UTC' } : options)
}

/** The display name of an owner, which may be empty. */
export function ownerName(owner: string): string {
  return owner === '' ? 'no owner' : owner
}
