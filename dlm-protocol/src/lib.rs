//! The wire of dlm: what a request, a reply, an event and a problem look like.
//!
//! Nothing here does I/O and nothing here knows a lock rule. The server, the
//! client and the generated OpenAPI all derive from these types, so that a
//! bound, a default or a field is stated once.
//!
//! # Layout
//!
//! - [`limits`]: every bound of the contract
//! - `name`, `key`, `lease_id`, `token`, `duration`, `time`, `text`: values
//!   that are checked once, where they enter
//! - `request`: the bodies a caller sends; unknown fields are refused
//! - `reply`: leases, holders, waiters, status pages
//! - `event`: what the event log holds and its stream sends
//! - `session`: the frames of the session socket
//! - `problem`: RFC 9457 errors and their codes
#![deny(missing_docs)]

mod duration;
mod event;
mod key;
mod lease_id;
pub mod limits;
mod name;
mod overview;
mod problem;
mod reply;
mod request;
mod session;
mod text;
mod time;
mod token;
mod value;

pub use duration::{Ttl, Wait};
pub use event::{EVENTS_PROTOCOL, Event, EventKind, EventMessage, EventPage, Renewal, close};
pub use key::IdempotencyKey;
pub use lease_id::LeaseId;
pub use name::ResourceName;
pub use overview::{ContendedLock, ExpiredLease, LongWait, Overview, OverviewSecond};
pub use problem::{EndReason, Problem, ProblemCode};
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
