// The bars of a timeline: where each hold is drawn, with those merged that are too short to tell apart.
import type { Hold } from './timeline'

/** The part of the time axis that is drawn, in milliseconds since the epoch. */
export interface Axis {
  from: number
  to: number
  /** The start of the known history; `null` if all of it is known. */
  knownSince: number | null
  /** Its end; `null` if it is known up to now. */
  knownUntil: number | null
  /** In pixels. */
  width: number
}

export interface Bar {
  /** The last of the holds, or the one whose end matters most. */
  hold: Hold
  /** The number of holds. */
  count: number
  firstToken: number
  /** In pixels. */
  left: number
  width: number
}

/** Holds that begin less than this after the end of the one before are drawn as one. */
const MERGE_GAP_PX = 1
const MERGE_WIDTH_PX = 1
const SEVERITY = { force_released: 2, expired: 1, released: 0 } as const

/** The bars of each lane, from left to right. */
export function drawBars(holds: readonly Hold[], axis: Axis): Bar[] {
  const bars: Bar[] = []
  const lastOfLane = new Map<number, Bar>()
  for (const hold of holds) {
    const left = position(start(hold, axis), axis)
    const right = position(hold.to ?? end(hold, axis), axis)
    const last = lastOfLane.get(hold.lane)
    const short = (width: number) => width < MERGE_WIDTH_PX
    if (
      last &&
      left - (last.left + last.width) < MERGE_GAP_PX &&
      short(right - left) &&
      (last.count > 1 || short(last.width))
    ) {
      last.width = Math.max(last.width, right - last.left)
      last.count += 1
      if (severity(hold) >= severity(last.hold)) last.hold = hold
      continue
    }
    const bar = { hold, count: 1, firstToken: hold.token, left, width: Math.max(0, right - left) }
    bars.push(bar)
    lastOfLane.set(hold.lane, bar)
  }
  return bars
}

/** A hold that began before the known history is drawn from there on: nothing is known of the time before. */
function start(hold: Hold, axis: Axis): number {
  return hold.from ?? axis.knownSince ?? axis.from
}

/** Of a hold that has ended later, nothing is drawn over time that is not known. */
function end({ current }: Hold, { to, knownUntil }: Axis): number {
  return current ? to : (knownUntil ?? to)
}

export function position(at: number, { from, to, width }: Axis): number {
  return (width * (Math.min(to, Math.max(from, at)) - from)) / (to - from)
}

function severity({ end }: Hold): number {
  return end === null ? 0 : SEVERITY[end]
}
