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
//! drop(guard); // releases the lock, in the background
//! client.close(std::time::Duration::from_secs(5)).await?; // waits for that before the process ends
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
//! # Before the process ends
//!
//! Dropping a guard does not wait: the client thread sends the release. A process that ends right
//! after may end before it, and then the lock stays taken until its TTL has passed. So call
//! [`Client::close`] at the end of `main`, or [`LockGuard::release`] instead of a drop. A cron job
//! that does neither may make its next run wait for a TTL.
//!
//! A process that is killed leaves its locks to their TTLs too. Choose the
//! [TTL](ClientBuilder::default_ttl) accordingly.
//!
//! # Not reentrant
//!
//! A task that locks a name twice waits for itself: the queue knows requests, not tasks. The client
//! helps where it can know:
//!
//! - Inside [`Client::with_lock`], a [`try_lock`](Client::try_lock) of the same name fails with
//!   [`is_reentrant`](Error::is_reentrant), and a [`lock`](Client::lock) logs a warning.
//! - When a task requests a name while a guard that it acquired lives, the client logs a warning,
//!   once. It is only a hint, since the guard may have been moved to another task, or belong to
//!   another future of the task. `try_lock` returns `None` then, as for any other holder. Tasks of
//!   tokio are told apart, and threads that block.
//!
//! Two shared locks do not exclude each other, unless an exclusive request waits between them.
//!
//! # Waiting
//!
//! [`LockRequest::on_queued`] tells the place in the queue. A waiter is *away* while its connection
//! is broken, until the client has sent the request again, over another connection or to another
//! server. Meanwhile it is passed over. One that is away for more than ten seconds loses its place,
//! and the client joins the queue again, at its end.
//!
//! # Threads and runtimes
//!
//! Each client owns one thread that performs all network operations, renewals and
//! releases. The client's futures need neither tokio nor any other particular
//! executor, and a guard can be dropped anywhere.
//!
//! The client thread wakes the task that awaits a request, or [`LockGuard::lost`]. The task is
//! polled by its own executor: one that is blocked learns of a loss late. Callbacks of
//! [`LockGuard::on_lost`] run on the client thread and must not block it; those of
//! [`LockRequest::on_queued`] run where the request is awaited.
//!
//! Create one client and clone it: each has a thread, connections and a session of its own. Guards
//! keep their client's thread alive.
//!
//! # Without async
//!
//! [`Client::connect_blocking`], [`Client::lock_blocking`], [`LockGuard::release_blocking`],
//! [`Client::close_blocking`] and others block the calling thread instead. They are for threads
//! that run no async tasks, also for those of `tokio::task::spawn_blocking`. In a task of tokio
//! they panic, since they would block all tasks of its thread; under other executors they
//! block it. Other futures of this crate can be passed to any `block_on`.
//!
//! # Fork
//!
//! A process that forks has no client thread in the child: there the client renews nothing, and its
//! calls wait forever. Worse, both processes share the sockets. So fork first, and connect
//! after that, or create the client with [`ClientBuilder::connect_lazy`] and use it after the
//! fork only. To run another program is no problem: the sockets are closed in it. To give a lock to
//! a child, [detach](LockGuard::detach) its lease and adopt it there.
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
//! A token is sent over `https`, to loopback or to a Unix socket only, unless
//! [allowed](ClientBuilder::allow_plaintext_token), and never in a URL or after a redirect.
//! For certificates see [`ClientBuilder::client_identity`].
//!
//! # Features
//!
//! | Feature | Default | What it adds |
//! |---|---|---|
//! | `tls` | yes | `https` addresses, by rustls with ring |
//!
//! Without it, an `https` address is [invalid](Error::is_invalid). That is for servers on the same
//! machine, and behind a sidecar.
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
//! Each public operation has a [`tracing`] span of the same name. The spans of requests have the
//! fields `resource`, `fencing_token`, `waited_ms` (until the request ended) and `outcome`:
//! `granted`, `held`, `timed_out`, `cancelled` for a request that was dropped, and other errors.
//! Those of `release`, `renew`, `adopt` and `with_lock` have an `outcome` too. Each is recorded once.
//!
//! Lease ids are
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
//! - `blocking`: operations that block their thread
//! - `builder`, `admin`, `explain`, `client`: the [`Client`] and its operations
//! - `lock`, `draft`: lock requests
//! - `acquire`, `adopt`: from a request, or a detached lease, to a guard
//! - `list`, `events`: locks and events as streams
//! - `guard`: the [`LockGuard`]
//! - `worker`: the client thread: renewals and releases
//! - `held_lease`, `term`, `reservation`: what is known about a lease, and until when
//! - `reentrancy`: which task holds which lock
//! - `transport`: the session, HTTP, and failover between servers
//! - `credentials`, `token`: which token to send, and when to ask for another
//! - `retry`, `clock`, `defaults`: backoff, time, and default options; `test_time`: time that a test moves
//! - `outcome`: how an operation ended, for its span
//! - `error`, `request_error`, `certificate_error`, `loss`, `release_request`, `detached`, `place`: errors and public values
#![deny(missing_docs)]

mod acquire;
mod admin;
mod adopt;
mod blocking;
mod builder;
#[cfg(feature = "tls")]
mod certificate_error;
#[cfg(not(feature = "tls"))]
#[path = "no_certificate_error.rs"]
mod certificate_error;
mod client;
mod clock;
mod credentials;
mod defaults;
mod detached;
mod draft;
mod error;
mod events;
mod explain;
mod guard;
mod held_lease;
mod list;
mod lock;
mod loss;
mod outcome;
mod place;
mod reentrancy;
mod release_request;
mod request_error;
mod reservation;
mod retry;
mod term;
#[cfg(feature = "test-time")]
mod test_time;
mod token;
mod transport;
mod worker;

// In the crate, so that they can move its clock. They name it as its users do.
#[cfg(test)]
extern crate self as dlm_client;
#[cfg(test)]
#[cfg(feature = "tls")]
#[path = "../tests/scripted/mod.rs"]
mod scripted;

pub use builder::ClientBuilder;
pub use client::Client;
pub use detached::DetachedLease;
pub use dlm_protocol::{
    AccessRule, Blocker, Checked, EstimatedWait, Event, EventKind, Explanation, FencingToken, ForceReleased,
    HoldStatistics, Holder, LockState, LockStatus, Metadata, Mode, OwnedLease, OwnedWait, Owner,
    OwnerDetails, OwnerPage, OwnerSummary, PendingRelease, PrincipalDetails, ProblemCode, QueuedWaiter,
    Quota, Renewal, RequestedRelease, ResourceName, Role, StateFilter, Timestamp, Ttl, Waiter, WhoAmI,
};
pub use error::Error;
pub use events::{EventItem, Events};
pub use guard::{LockGuard, Lost, ReleaseRequested};
pub use list::Locks;
pub use lock::{LockRequest, TryLockRequest};
pub use loss::{GuardState, LossReason};
pub use place::QueuePlace;
pub use release_request::ReleaseRequest;
#[cfg(feature = "test-time")]
pub use test_time::TestTime;
pub use token::BearerToken;
pub use tokio_util::sync::CancellationToken;
pub use transport::TransportKind;
