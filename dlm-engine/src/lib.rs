//! The lock rules of dlm, as a pure state machine.
//!
//! [`Resource::execute`] takes one [`Op`] and the time, changes the state of
//! one resource in memory, and says what follows: the answer, the events, whom
//! to wake, and (by [`Resource::row_change`] and [`Resource::claim_changes`]) the rows that make it last. It does
//! no I/O, reads no clock, draws no random number and knows no database. This
//! is the only place that knows a lock rule.
//!
//! What it has not been given it asks for: `execute` returns a [`Need`] before
//! it has changed anything that depends on it, the caller loads that and calls
//! again with the same operation. So a queue of any length costs its head.
//!
//! # Layout
//!
//! - `op`: what can be asked, what is answered
//! - `claim`: one keyed acquire through its life: waiting, live, ended
//! - `resource`: the state of one resource, loading it, its row changes
//! - `queue`: the loaded front of the queue
//! - `rules`: the rules, one operation a file, and `settle`, which expires and
//!   promotes
//! - `context`: the time, who is parked where, and the limits
//! - `event`: what the log is told, whom to wake
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use dlm_engine::*;
//!
//! let limits = Limits { away_grace_ms: 10_000, idle_retention_ms: 86_400_000, holders_shown: 100 };
//! let replicas = Replicas::single_node(ReplicaId(1), Micros(0));
//! let ctx = Context { now: Micros(0), replicas: &replicas, limits: &limits, key_lookup: KeyLookup::AssumeNew };
//! let key = ClaimKey::new("", "key-1");
//! let request = Request { mode: Mode::Exclusive, ttl_ms: 30_000, wait_ms: 0, owner: "a".into(), metadata: "{}".into() };
//!
//! let mut resource = Resource::absent(Floor::default());
//! let mut effects = Effects::default();
//! let op = Op::Acquire { key, request: Arc::new(request) };
//! let Ok(Ok(Reply::Lease(lease))) = resource.execute(&op, &ctx, &mut effects) else { panic!() };
//! assert_eq!(lease.lease().unwrap().token, 1);
//! assert_eq!(effects.events[0].kind, EventKind::Granted);
//! ```
#![deny(missing_docs)]

mod claim;
mod context;
mod event;
#[cfg(test)]
mod fault;
mod op;
#[cfg(test)]
mod properties;
mod queue;
mod resource;
mod rules;

pub use claim::{
    CancelOutcome, Claim, ClaimKey, EndReason, Lease, Mode, Phase, Presence, QueueEntry, Request, Tombstone,
};
pub use context::{Context, KeyLookup, Limits, Micros, ReplicaId, Replicas};
pub use event::{Effects, Event, EventKind, WaitOutcome, Wake};
pub use op::{Need, Op, Refusal, Reply, Snapshot};
pub use resource::{ClaimChange, Floor, Resource, ResourceRecord, RowChange};
