/** A duration for people: two units at most. */
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

/** Whole seconds only: for what is counted as one looks on. */
export function countdown(ms: number): string {
  return ms < 1000 ? `${Math.max(0, Math.ceil(ms / 100) / 10).toFixed(1)} s` : duration(ms)
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`
}

export function count(value: number): string {
  return value.toLocaleString('en')
}

/** Events a second. */
export function rate(value: number): string {
  if (value === 0) return '0'
  return value < 10 ? value.toFixed(1) : count(Math.round(value))
}

export type Zone = 'utc' | 'local'

/** An instant as a clock shows it; with its day unless that is today. */
export function clockTime(ms: number, zone: Zone, now: number): string {
  const day = dayOf(ms, zone)
  const time = part(ms, zone, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
  return day === dayOf(now, zone) ? time : `${day} ${time}`
}

/** An instant to the millisecond, with its zone. */
export function fullTime(ms: number, zone: Zone): string {
  if (zone === 'utc') return new Date(ms).toISOString().replace('T', ' ').replace('Z', ' UTC')
  const fraction = String(((ms % 1000) + 1000) % 1000).padStart(3, '0')
  const time = part(ms, zone, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
  return `${dayOf(ms, zone)} ${time}.${fraction} local`
}

function dayOf(ms: number, zone: Zone): string {
  // Sweden writes dates as ISO 8601 does.
  return new Date(ms).toLocaleDateString('sv-SE', zone === 'utc' ? { timeZone: 'UTC' } : {})
}

function part(ms: number, zone: Zone, options: Intl.DateTimeFormatOptions): string {
  return new Date(ms).toLocaleTimeString('sv-SE', zone === 'utc' ? { ...options, timeZone: 'UTC' } : options)
}

/** What an operator reads for an owner that gave no name. */
export function ownerName(owner: string): string {
  return owner === '' ? 'no owner given' : owner
}
