//! The wire types of dlm: requests, replies, events and problems.
//!
//! The crate does no I/O and has no lock rules. The server, the client and the
//! generated OpenAPI document are built on these types, so every field, default
//! and bound is defined once.
//!
//! # Layout
//!
//! - [`limits`]: the bounds and defaults of the wire contract
//! - `name`, `key`, `lease_id`, `token`, `duration`, `time`, `text`: validated
//!   values, checked when they are parsed
//! - `request`: request bodies; unknown fields are refused
//! - [`lenient`]: reading the replies of newer servers
//! - `reply`: leases, holders, waiters, lock status and lists
//! - `release_request`: asking a holder to let go
//! - `event`: events and the messages of the event stream
//! - `overview`: the overview of all locks
//! - `wait_graph`: the wait-for graph of all locks
//! - `past`: the locks at an instant of the past
//! - `explain`: why a lock is not free; `owners`: what owners and principals hold and
//!   wait for
//! - `session`: the messages of the session socket
//! - `access`: who the caller is and what it may do
//! - `problem`: RFC 9457 problems and their codes
#![deny(missing_docs)]

mod access;
mod duration;
mod event;
mod explain;
mod json;
mod key;
mod lease_id;
pub mod lenient;
pub mod limits;
mod name;
mod overview;
mod owners;
mod past;
mod problem;
mod release_request;
mod reply;
mod request;
mod session;
mod text;
mod time;
mod token;
mod value;
mod wait_graph;

pub use access::{
    AccessRule, Quota, Role, TICKET_PROTOCOL_PREFIX, Ticket, TicketPurpose, TicketRequest, WhoAmI,
};
pub use duration::{Ttl, Wait, Within};
pub use event::{EVENTS_PROTOCOL, Event, EventKind, EventMessage, EventPage, Renewal, close};
pub use explain::{EstimatedWait, Explanation, HoldStatistics, HoldStatisticsList, LockHolds, QueuedWaiter};
pub use key::IdempotencyKey;
pub use lease_id::LeaseId;
pub use name::ResourceName;
pub use overview::{ContendedLock, ExpiredLease, LongWait, Overview, OverviewSecond};
pub use owners::{OwnedLease, OwnedWait, OwnerDetails, OwnerPage, OwnerSummary, PrincipalDetails};
pub use past::{PastHolder, PastLock, PastState, PastWaiter};
pub use problem::{EndReason, Problem, ProblemCode};
pub use release_request::{PendingRelease, ReleaseNotice, RequestReleaseRequest, RequestedRelease};
pub use reply::{
    CancelOutcome, Cancelled, Checked, ForceReleased, Holder, Lease, LockPage, LockState, LockStatus, Mode,
    Queued, Released, RenewResult, Renewed, Waiter,
};
pub use request::{
    AcquireRequest, CheckRequest, ForceReleaseRequest, ReleaseRequest, RenewItem, RenewManyRequest,
    RenewRequest, StateFilter,
};
pub use session::{
    LeaseEnded, SESSION_PROTOCOL, SessionBody, SessionMessage, SessionOp, SessionQueued, SessionRequest,
};
pub use text::{Metadata, Owner, Reason};
pub use time::Timestamp;
pub use token::FencingToken;
pub use value::InvalidValue;
pub use wait_graph::{BlockedLock, Blocker, DeadlockedHolder, LiveWaitGraph, PossibleDeadlock, WaitGraph};
