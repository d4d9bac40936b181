// Short names for the generated wire types.
import type { components } from './schema'

type Schemas = components['schemas']

export type AccessRule = Schemas['AccessRule']
export type AcquireRequest = Schemas['AcquireRequest']
export type ContendedLock = Schemas['ContendedLock']
export type EventKind = Schemas['EventKind']
export type EventPage = Schemas['EventPage']
export type ExpiredLease = Schemas['ExpiredLease']
export type ForceReleased = Schemas['ForceReleased']
export type Holder = Schemas['Holder']
export type Lease = Schemas['Lease']
export type LockEvent = Schemas['Event']
export type LockPage = Schemas['LockPage']
export type LockStatus = Schemas['LockStatus']
export type LongWait = Schemas['LongWait']
export type Mode = Schemas['Mode']
export type Overview = Schemas['Overview']
export type OverviewSecond = Schemas['OverviewSecond']
export type Problem = Schemas['Problem']
export type Queued = Schemas['Queued']
export type Released = Schemas['Released']
export type Renewal = Schemas['Renewal']
export type Role = Schemas['Role']
export type StateFilter = Schemas['StateFilter']
export type Ticket = Schemas['Ticket']
export type TicketPurpose = Schemas['TicketPurpose']
export type Waiter = Schemas['Waiter']
export type WhoAmI = Schemas['WhoAmI']

/** A message of the event stream. */
export type StreamMessage = LockEvent | Renewal | Schemas['EventMark']
