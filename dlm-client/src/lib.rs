//! The Rust client of dlm, a distributed lock manager.
//!
//! ```no_run
//! # async fn example() -> Result<(), dlm_client::Error> {
//! # struct Storage;
//! # impl Storage { async fn write(&self, _: dlm_client::FencingToken, _: &str) {} }
//! # let (storage, row) = (Storage, "");
//! let client = dlm_client::Client::connect("http://127.0.0.1:7420").await?;
//! let guard = client.lock("orders/42").await?; // waits in a FIFO queue
//! storage.write(guard.fencing_token(), row).await; // the storage rejects stale tokens
//! drop(guard); // releases the lock
//! client.close(std::time::Duration::from_secs(5)).await?; // waits for the release
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::lock`] waits for a lock and returns a [`LockGuard`], which renews its
//! lease automatically and releases it when dropped. [`Client::try_lock`] does not
//! wait. [`Client::with_lock`] runs a closure under a lock and stops it if the lock
//! is lost.
//!
//! # Guarantees
//!
//! A guard knows before the server does that its lease is about to expire. Its
//! deadline is computed from the send time of the request, with a safety margin for
//! clock drift, on a clock that nobody can set and that keeps running while the
//! machine is suspended; see [Platforms](#platforms).
//!
//! No clock can prevent a process from being paused between a check and a write.
//! Therefore each grant has a [`FencingToken`] that is larger than all earlier ones.
//! Let the storage reject smaller tokens, or ask the server with [`Client::check`].
//!
//! Network errors and server restarts do not lose locks:
//!
//! - A request whose reply was lost is retried with the same idempotency key and
//!   gets the same lease.
//! - A failed renewal is retried until the guard's deadline.
//! - A dropped lock request leaves the queue, and releases the lock if it was
//!   granted meanwhile.
//! - A failed release is retried until the lease would have expired.
//!
//! # The life of a guard
//!
//! ```text
//!                                renewed
//!                                 ┌───┐
//!                                 │   ▼
//! lock, try_lock, adopt ────────▶ Held ──┬── deadline passed, or
//!                                        │   lease ended at the server ──▶ Lost
//!                                        ├── release, drop ──────────────▶ Released
//!                                        └── detach ─────────────────────▶ Released
//!                                                     (the lease lives on as a
//!                                                      DetachedLease until it expires
//!                                                      or is adopted)
//! ```
//!
//! [`LockGuard::state`] returns the current state. [`LockGuard::lost`] and
//! [`LockGuard::lost_token`] signal that the guard left the state *Held*, by whichever
//! transition. Both final states stay as they are.
//!
//! # Threads and runtimes
//!
//! Each client owns one thread that performs all network operations, renewals and
//! releases. The client's futures need neither tokio nor any other particular
//! executor, and a guard can be dropped anywhere.
//!
//! # Servers that authenticate
//!
//! A server on a network asks its clients for a token or for a certificate:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use dlm_client::{BearerToken, Client};
//!
//! // DLM_URL, DLM_TOKEN or DLM_TOKEN_FILE, and DLM_CA
//! let client = Client::from_env().await?;
//!
//! // The same in code, with a token that never changes.
//! let builder = Client::builder().address("https://locks.example.org");
//! let client = builder.bearer_token(BearerToken::new(std::env::var("TOKEN")?)?).connect().await?;
//!
//! println!("connected as {}", client.whoami().await?.principal);
//! # Ok(())
//! # }
//! ```
//!
//! Tokens that change come from a [file](ClientBuilder::bearer_token_file) or a
//! [provider](ClientBuilder::token_provider). A provider is asked before its token
//! expires, and when the server refuses it; the request that was refused is sent again
//! once. So a rotation loses no lock and no place in a queue, and no call fails, as long as
//! the next token is there when the last one ends.
//!
//! If no token is accepted, calls fail with
//! [`is_unauthenticated`](Error::is_unauthenticated). Guards go on trying until their
//! deadlines, and say so meanwhile: [`LockGuard::is_access_denied`]. They are then lost
//! with [`LossReason::AccessDenied`]. The same holds when the principal loses the right to
//! its locks; calls fail with [`is_forbidden`](Error::is_forbidden) then.
//!
//! A token is sent over `https` or to loopback only, unless
//! [allowed](ClientBuilder::allow_plaintext_token), and never in a URL or after a redirect.
//! For certificates see [`ClientBuilder::client_identity`].
//!
//! # Platforms
//!
//! | System | Clock | Counts the time of a suspend |
//! |---|---|---|
//! | Linux, Android | `CLOCK_BOOTTIME` | yes |
//! | Apple's systems | `CLOCK_MONOTONIC` | yes |
//! | others | [`std::time::Instant`] | it depends on the system |
//!
//! The crate is tested on Linux only. Where the clock stops during a suspend, a guard
//! that was suspended past its deadline believes that it still holds the lock until
//! its next renewal: rely on the fencing token there.
//!
//! # Logging
//!
//! Each public operation has a [`tracing`] span of the same name. Lease ids are
//! capabilities, and this crate never logs them, nor tokens. However, the WebSocket library
//! `tungstenite` logs whole frames, including lease ids, at the level `trace`. If
//! that level is enabled, disable it for that crate, as in
//! `RUST_LOG=trace,tungstenite=off`.
//!
//! # Compatibility
//!
//! The client ignores fields that a newer server adds, maps unknown values to `Other`,
//! and accepts values beyond the bounds that it knows. Statuses and events are
//! `non_exhaustive`: they may gain fields in a compatible release.
//!
//! # Layout
//!
//! From the top down; a module uses only modules below it.
//!
//! - `builder`, `admin`, `client`: the [`Client`] and its operations
//! - `lock`, `draft`: lock requests
//! - `acquire`, `adopt`: from a request, or a detached lease, to a guard
//! - `list`, `events`: locks and events as streams
//! - `guard`: the [`LockGuard`]
//! - `worker`: the client thread: renewals and releases
//! - `held_lease`, `term`, `reservation`: what is known about a lease, and until when
//! - `transport`: the session, HTTP, and failover between servers
//! - `credentials`, `token`: which token to send, and when to ask for another
//! - `retry`, `clock`, `defaults`: backoff, time, and default options
//! - `error`, `request_error`, `loss`, `detached`: errors and public values
#![deny(missing_docs)]

mod acquire;
mod admin;
mod adopt;
mod builder;
mod client;
mod clock;
mod credentials;
mod defaults;
mod detached;
mod draft;
mod error;
mod events;
mod guard;
mod held_lease;
mod list;
mod lock;
mod loss;
mod request_error;
mod reservation;
mod retry;
mod term;
mod token;
mod transport;
mod worker;

// In the crate, so that they can move its clock. They name it as its users do.
#[cfg(test)]
extern crate self as dlm_client;
#[cfg(test)]
#[path = "../tests/scripted/mod.rs"]
mod scripted;

pub use builder::ClientBuilder;
pub use client::Client;
pub use detached::DetachedLease;
pub use dlm_protocol::{
    AccessRule, Checked, Event, EventKind, FencingToken, ForceReleased, Holder, LockState, LockStatus,
    Metadata, Mode, Owner, ProblemCode, Quota, Renewal, ResourceName, Role, StateFilter, Timestamp, Ttl,
    Waiter, WhoAmI,
};
pub use error::Error;
pub use events::{EventItem, Events};
pub use guard::LockGuard;
pub use list::Locks;
pub use lock::{LockRequest, TryLockRequest};
pub use loss::{GuardState, LossReason};
pub use token::BearerToken;
pub use tokio_util::sync::CancellationToken;
pub use transport::TransportKind;
