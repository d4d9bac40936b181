//! Distributed locks in six lines: the client of the lock manager dlm.
//!
//! ```no_run
//! # async fn example() -> Result<(), dlm_client::Error> {
//! # struct Storage;
//! # impl Storage { async fn write(&self, _: dlm_client::FencingToken, _: &str) {} }
//! # let (storage, row) = (Storage, "");
//! let client = dlm_client::Client::connect("http://127.0.0.1:7420").await?;
//! let guard = client.lock("orders/42").await?; // waits its turn, renews itself, releases on drop
//! storage.write(guard.fencing_token(), row).await; // a stale holder's write is refused by the token
//! drop(guard);
//! client.close(std::time::Duration::from_secs(5)).await?; // the release has been sent
//! # Ok(())
//! # }
//! ```
//!
//! # What a lock promises
//!
//! A [`LockGuard`] knows before the server does that its lease is over, on a
//! clock that nobody can set and that goes on while the machine sleeps. What no
//! clock can prevent is that a process is stopped between its question and its
//! write. So each grant has a [`FencingToken`] that is larger than the ones
//! before: let the storage refuse smaller ones, or ask [`Client::check`].
//!
//! Anything may fail in between. An answer that is lost is asked for again with
//! the same key, and gives the same lease. A renewal that fails is repeated
//! until the guard's own deadline. A future that is dropped gives up its place
//! in the queue. A release that can't be sent is repeated until the lease would
//! have expired by itself.
//!
//! # Where it runs
//!
//! Connections, renewals and releases live in one thread of the client's own.
//! The futures need no particular executor and no tokio runtime, and guards may
//! be dropped anywhere.
//!
//! # What it logs
//!
//! Each call has a [`tracing`] span. No message of the client contains the id of
//! a lease, which is a capability. The WebSocket library beneath it, though,
//! writes whole frames at the level `trace`, lease ids in them: where that level
//! is on, turn it off there, as in `RUST_LOG=trace,tungstenite=off`.
//!
//! # What may be added
//!
//! A newer server may send more than this version knows, which it reads over or
//! gives as `Other`. The fields of statuses and events may become more in a
//! version that is compatible: don't build or match them exhaustively.
//!
//! # Layout
//!
//! - `client`, `builder`: the [`Client`] and how it is made
//! - `lock`, `draft`, `guard`, `detached`, `loss`: taking, holding and losing locks
//! - `questions`: who holds a lock, whether a token is live, and ending a lease
//! - `list`, `events`: the resources of a server, and what happens to them, as
//!   streams
//! - `error`: the one [`Error`]
//! - `held`, `term`, `claims`, `clock`: what is known of a lease, and until when
//! - `worker`: the client's thread: acquires, renewals, releases
//! - `transport`, `retry`: the session and HTTP, answers and repeats
#![deny(missing_docs)]

mod builder;
mod claims;
mod client;
mod clock;
mod detached;
mod draft;
mod error;
mod events;
mod guard;
mod held;
mod list;
mod lock;
mod loss;
mod questions;
mod retry;
mod term;
mod transport;
mod worker;

pub use builder::ClientBuilder;
pub use client::Client;
pub use detached::DetachedLease;
pub use dlm_protocol::{
    Checked, Event, EventKind, FencingToken, ForceReleased, Holder, LockState, LockStatus, Metadata, Mode,
    Owner, ProblemCode, Renewal, ResourceName, StateFilter, Timestamp, Ttl, Waiter,
};
pub use error::Error;
pub use events::{EventItem, Events};
pub use guard::LockGuard;
pub use list::Locks;
pub use lock::{LockRequest, TryLockRequest};
pub use loss::{GuardState, LossReason};
pub use tokio_util::sync::CancellationToken;
pub use transport::TransportKind;
