// Which events of a lock are loaded, and which are loaded next for the part of the time axis that is looked at.
import type { EventPage, LockEvent } from '../api/types'
import type { TimeWindow } from './timeWindow'

/** More events make the page slow, and their holds are too short to tell apart. */
export const MAX_LOADED = 20_000
/** How many events a block may have beyond its limit before the oldest are dropped, so that not each event drops one. */
const SLACK = 1_000
/** A window that ends this close to now is served by the events that arrive. Clocks may differ by less. */
const EDGE_MS = 5_000

/** Events of a lock without a gap. */
export interface EventBlock {
  /** Oldest first. */
  events: readonly LockEvent[]
  /** Where the search for older events goes on; `null` if the log has none. */
  start: string | null
  /** No event before this instant is missing from the first one on; `null` if none is up to now. */
  until: number | null
}

/** The part of the time axis that is looked at. */
export interface LookedAt extends TimeWindow {
  /** It moves on with the time. */
  live: boolean
}

/** The blocks that are kept. */
export interface Loaded {
  /** The newest events, which grow with each that arrives. */
  recent: EventBlock
  /** Events of a time that `recent` does not reach; `null` if none were loaded. */
  past: EventBlock | null
}

/** Which events to load: the newest of those before a cursor and an instant. */
export interface PageRequest {
  block: keyof Loaded
  /** They begin a block, instead of going on from its first event. */
  fresh: boolean
  before: string | null
  to: number | null
}

/** Before anything is loaded. */
export const NOTHING: EventBlock = { events: [], start: null, until: null }

const time = (event: LockEvent) => Date.parse(event.at)

/** Whether a block goes back to an instant, or to the start of the log. */
export function reachesBack({ events, start }: EventBlock, to: number): boolean {
  const [first] = events
  return start === null || (first !== undefined && time(first) <= to)
}

export function isFull({ events }: EventBlock): boolean {
  return events.length >= MAX_LOADED
}

/** Which block has the events of a window. */
function serving(window: LookedAt, { recent }: Loaded, now: number): keyof Loaded {
  const current = window.live || window.to >= now - EDGE_MS
  return current || reachesBack(recent, window.from) ? 'recent' : 'past'
}

/** The block to show for a window. It may not have all events of it. */
export function shownBlock(window: LookedAt, loaded: Loaded, now: number): EventBlock {
  return serving(window, loaded, now) === 'past' ? (loaded.past ?? loaded.recent) : loaded.recent
}

/** Takes for a window in the past what is there already, and drops what is in the way of older events. */
export function prepare(window: LookedAt, loaded: Loaded, now: number): Loaded {
  if (serving(window, loaded, now) === 'recent') return loaded
  const { recent, past } = loaded
  const end = margin(window, now)
  if (past && isNear(past, window)) return isFull(past) ? { recent, past: cut(past, end) } : loaded
  const [first] = recent.events
  return first && time(first) <= window.to ? { recent, past: cut(recent, end) } : loaded
}

/** What to load next for a window; `null` if nothing is missing, or no more may be loaded. */
export function nextRequest(window: LookedAt, loaded: Loaded, now: number): PageRequest | null {
  const block = serving(window, loaded, now)
  const from = loaded[block]
  if (from && (block === 'recent' || isNear(from, window))) {
    if (reachesBack(from, window.from) || isFull(from)) return null
    return { block, fresh: false, before: from.start, to: from.until }
  }
  const to = margin(window, now)
  const later = [loaded.past, loaded.recent].find((other) => other?.events[0] && time(other.events[0]) >= to)
  // What lies after the window need not be searched again.
  return { block, fresh: true, before: later?.start ?? null, to }
}

/** Whether a block ends after a window, and begins in it or shortly after it. */
function isNear({ events, start, until }: EventBlock, { from, to }: TimeWindow): boolean {
  if (until === null || until < to) return false
  const [first] = events
  return first === undefined || start === null || time(first) <= to + (to - from)
}

/** Where to end a block for a window, so that a step to later times finds its events. */
function margin({ from, to }: TimeWindow, now: number): number {
  return Math.max(to, Math.min(to + (to - from), now - EDGE_MS))
}

function cut({ events, start, until }: EventBlock, to: number): EventBlock {
  const end = until === null ? to : Math.min(until, to)
  return { events: events.filter((event) => time(event) < end), start, until: end }
}

/** The blocks with a page that was requested. A page that no longer fits is dropped. */
export function withPage(loaded: Loaded, request: PageRequest, page: EventPage): Loaded {
  const { block, before } = request
  const start = page.start ?? null
  if (request.fresh) {
    const fresh = { events: page.events, start, until: request.to }
    return { ...loaded, [block]: (loaded.past && joined(loaded.past, fresh)) ?? fresh }
  }
  const later = loaded[block]
  if (!later || later.start !== before) return loaded
  // The search begins with the event at the cursor, if that one was dropped before.
  const older = page.events.filter(({ cursor }) => cursor !== before)
  return { ...loaded, [block]: limited({ ...later, events: [...older, ...later.events], start }) }
}

/** Two blocks as one; `null` if events between them are missing. Each event of a lock has the next version. */
function joined(older: EventBlock, newer: EventBlock): EventBlock | null {
  const [last, first] = [older.events.at(-1), newer.events[0]]
  if (!last || !first || first.version > last.version + 1) return null
  const before = older.events.filter(({ version }) => version < first.version)
  if (before.length === 0) return null
  return limited({ events: [...before, ...newer.events], start: older.start, until: newer.until })
}

/** A block with events that arrived. */
export function withArrived(block: EventBlock, arrived: readonly LockEvent[]): EventBlock {
  const events = [...block.events, ...arrived]
  return events.length <= MAX_LOADED + SLACK ? { ...block, events } : limited({ ...block, events })
}

/** Without the oldest events, if there are too many. */
function limited(block: EventBlock): EventBlock {
  const events = block.events.slice(-MAX_LOADED)
  const [first] = events
  if (events.length === block.events.length || !first) return block
  return { ...block, events, start: first.cursor }
}
