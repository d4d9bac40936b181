//! The lock rules of dlm as a pure state machine.
//!
//! A [`Resource`] holds the state of one lock in memory. [`Resource::execute`]
//! applies one [`Op`] at a given time and returns the reply. It also collects
//! the [`Effects`] (events for the log, waiters to wake) and the row changes
//! ([`Resource::row_change`], [`Resource::claim_changes`]) that the caller must
//! commit before anything of this becomes visible.
//!
//! The crate does no I/O, reads no clock, uses no randomness, and depends on
//! std alone. Every lock rule is here and nowhere else.
//!
//! # Claims
//!
//! A [`Claim`] is one acquire, identified by its idempotency key. It moves
//! through three phases:
//!
//! ```text
//!  acquire ─┬─ lock is free ────────────────────► Live ◄─┐ renew
//!           │                                    ▲ │ └───┘
//!           └─ wait_ms > 0 ──► Waiting ── grant ─┘ │
//!                                 │                │ released
//!                       timed out │                │ expired
//!                       cancelled │                │ force-released
//!                       away      ▼                ▼
//!                              Ended (the tombstone of the key)
//! ```
//!
//! A retry with the same key never creates a second claim. It returns the live
//! lease, keeps its place in the queue, or gets the outcome from the tombstone.
//! How long tombstones are kept is up to the store.
//!
//! # Loading on demand
//!
//! A resource is loaded from its row and its live claims. If an operation needs
//! more than that, such as the next waiters or the tombstone of a key,
//! `execute` returns a [`Blocked::Need`] before it changes anything that depends on the
//! missing data. The caller loads it and calls `execute` again with the same
//! operation. Only the front of a queue is ever in memory.
//!
//! The key of an acquire that inserts a claim is not looked up: nearly all of them are
//! new. If it exists after all, the store's unique index rejects the insert. Then the
//! caller loads the resource again, [provides](Resource::provide_claim) the claims of
//! its acquires, and executes the batch again.
//!
//! # Bounded work
//!
//! One release can make thousands of shared waiters grantable, and thousands of
//! leases can expire at once. [`Limits::max_transitions`] bounds how many of them
//! end or are granted between two commits. When more is due,
//!
//! - an operation that depends on it returns [`Blocked::LimitReached`]: the
//!   caller commits what was done so far and executes the operation again;
//! - the resource is [unfinished](Resource::is_unfinished): the caller commits
//!   and goes on with an empty sweep, or with any other operation. If it does
//!   not, a sweep at the stored check instant does.
//!
//! Grants are in FIFO order across commits, and an expired lease is never
//! treated as live in between.
//!
//! # Layout
//!
//! - `op`: operations, replies and refusals
//! - `claim`: claims and their phases
//! - `resource`: the state of one resource, and its row changes
//! - `queue`: the queue of a resource
//! - `rules`: the rules, one operation per file, and `expire` and `promote`,
//!   which run before and after every operation
//! - `context`: time, membership and limits
//! - `event`: events and wakes
//! - `grant_rounds`: in which order waiters would be granted
//! - `wait_graph`: the wait-for graph of several resources
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use dlm_engine::*;
//!
//! let limits = Limits { away_grace_ms: 10_000, idle_retention_ms: 86_400_000, holders_shown: 100, max_transitions: 256 };
//! let replicas = Replicas::single_node(ReplicaId(1), Micros(0));
//! let ctx = Context { now: Micros(0), replicas: &replicas, limits: &limits };
//! let key = ClaimKey::new("", "key-1");
//! let request = Request { mode: Mode::Exclusive, ttl_ms: 30_000, wait_ms: 0, owner: "a".into(), metadata: "{}".into() };
//!
//! let mut resource = Resource::absent(Floor::default());
//! let mut effects = Effects::default();
//! let op = Op::Acquire { key, request: Arc::new(request) };
//! let Ok(Ok(Reply::Lease(claim))) = resource.execute(&op, &ctx, &mut effects) else { panic!() };
//! assert_eq!(claim.lease().unwrap().token, 1);
//! assert_eq!(effects.events[0].kind, EventKind::Granted);
//! ```
#![deny(missing_docs)]

mod claim;
mod context;
mod event;
#[cfg(test)]
mod fault;
mod grant_rounds;
mod op;
#[cfg(test)]
mod properties;
mod queue;
mod resource;
mod rules;
mod wait_graph;

pub use claim::{
    CancelOutcome, Claim, ClaimKey, EndReason, Lease, Mode, Phase, Presence, QueueEntry, Request, Tombstone,
};
pub use context::{Context, Limits, Micros, ReplicaId, Replicas};
pub use event::{Effects, Event, EventKind, WaitOutcome, Wake};
pub use grant_rounds::grant_rounds;
pub use op::{Blocked, KnowsKey, Need, Op, Refusal, Reply, Snapshot};
pub use resource::{ClaimChange, Floor, Resource, ResourceRecord, RowChange};
pub use wait_graph::{Actor, Blocking, ContendedResource, WaitFor, WaitGraph, Waiting};
