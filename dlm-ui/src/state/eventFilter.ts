import type { EventsFilter } from '../api/client'
import type { LockEvent } from '../api/types'

/** Whether an event of the stream passes, as the server filters the log. The stream itself filters names of locks. */
export function passes(
  event: LockEvent,
  { kinds = [], owner = '', principal = '', from = '', to = '' }: EventsFilter,
): boolean {
  return (
    (kinds.length === 0 || kinds.includes(event.kind)) &&
    (owner === '' || event.owner === owner) &&
    (principal === '' || [event.principal, event.by].includes(principal)) &&
    (from === '' || Date.parse(event.at) >= Date.parse(from)) &&
    (to === '' || Date.parse(event.at) < Date.parse(to))
  )
}
