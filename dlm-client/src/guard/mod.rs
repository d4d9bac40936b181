//! The guard of a held lock.
//!
//! - `end`: renews and ends a guard
//! - `release_requested`: the future that completes when the holder is asked to let go
//! - `lost`: the future that completes when a guard no longer holds its lock

mod end;
mod lost;
mod release_requested;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{FencingToken, Mode};
use tokio_util::sync::CancellationToken;

pub use self::lost::Lost;
pub use self::release_requested::ReleaseRequested;
use crate::error::Error;
use crate::held_lease::HeldLease;
use crate::loss::{GuardState, LossReason};
use crate::reentrancy::{CallerId, Scope};
use crate::worker::Handle;

/// A held lock, released when the guard is dropped.
///
/// The client thread renews the lease after a third of its TTL, unless
/// [`auto_renew(false)`](crate::LockRequest::auto_renew) was set. A renewal that
/// fails with a transient error is retried until the guard's deadline, which is
/// slightly before the server's. After the deadline the guard is *lost*, and stays
/// lost.
///
/// [`state`](Self::state), [`remaining`](Self::remaining) and
/// [`live_token`](Self::live_token) compute from the clock at each call. They are
/// correct even right after the process was suspended for an hour. But no check
/// protects a write that is already on its way: pass the
/// [`fencing_token`](Self::fencing_token) to the storage with each write.
///
/// Dropping the guard never blocks, never awaits and needs no runtime. The client
/// thread releases the lease, with retries until the lease would have expired
/// anyway. A process that ends right after should [`close`](crate::Client::close) its client, or
/// [`release`](Self::release) the guard: otherwise the lock may stay taken until its TTL has
/// passed.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), dlm_client::Error> {
/// # async fn write(_: dlm_client::FencingToken) {}
/// let client = dlm_client::Client::connect("http://127.0.0.1:7420").await?;
/// let guard = client.lock("orders/42").await?;
/// write(guard.fencing_token()).await;
/// guard.release().await?; // or drop it
/// # Ok(())
/// # }
/// ```
#[must_use = "the lock is released as soon as its guard is dropped"]
#[clippy::has_significant_drop]
pub struct LockGuard {
    handle: Handle,
    lease: Arc<HeldLease>,
}

impl LockGuard {
    /// Creates a guard and starts to renew its lease. `socket` is the session
    /// socket that was up when the lease was granted, or `None` for HTTP.
    pub(crate) fn new(handle: Handle, lease: Arc<HeldLease>, socket: Option<u64>) -> Self {
        handle.watch(&lease, socket);
        Self { handle, lease }
    }

    /// Records who acquired the lock, until the guard ends.
    pub(crate) fn acquired_by(&self, caller: CallerId) {
        let names = &self.handle.context().held_names;
        self.lease.keep_held_name(names.insert(&self.lease.resource, self.lease.mode, caller));
    }

    /// What runs while the guard cannot be released.
    pub(crate) fn scope(&self) -> Scope {
        Scope::new(&self.handle.context().held_names, self.lease.resource.clone(), self.lease.mode)
    }

    /// The fencing token of this grant. Available even when the guard is lost.
    ///
    /// Each grant of a resource has a larger token than the grants before it. A
    /// storage that remembers the largest token it has seen and rejects writes with
    /// smaller ones rejects stale holders. The tokens of shared locks identify
    /// their holders but do not order them.
    ///
    /// [`live_token`](Self::live_token) returns the token only while the lock is
    /// held.
    #[must_use]
    pub fn fencing_token(&self) -> FencingToken {
        self.lease.fencing_token
    }

    /// The fencing token of this grant, if the lock is held at this instant.
    ///
    /// # Errors
    ///
    /// [`is_lost`](Error::is_lost) if the lock is not held.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(guard: dlm_client::LockGuard) -> Result<(), dlm_client::Error> {
    /// # async fn write(_: dlm_client::FencingToken, _: u32) {}
    /// for row in 0..1_000 {
    ///     // Stops the loop when the lock is lost.
    ///     write(guard.live_token()?, row).await;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn live_token(&self) -> Result<FencingToken, Error> {
        match self.lease.end_reason(self.handle.now()) {
            None => Ok(self.lease.fencing_token),
            Some(reason) => Err(Error::lost(&self.lease.resource, reason)),
        }
    }

    /// The name of the locked resource.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.lease.resource.as_str()
    }

    /// Whether the lock is exclusive or shared.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.lease.mode
    }

    /// Whether the lock is held at this instant.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(guard: &dlm_client::LockGuard) {
    /// use dlm_client::GuardState;
    ///
    /// match guard.state() {
    ///     GuardState::Held => println!("held for at least {:?}", guard.remaining()),
    ///     GuardState::Lost(reason) => println!("lost: {reason}"),
    ///     _ => println!("released"),
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn state(&self) -> GuardState {
        self.lease.state(self.handle.now())
    }

    /// Whether the guard holds the lock at this instant: [`state`](Self::state) is
    /// [`GuardState::Held`].
    ///
    /// It may be lost right after. [`live_token`](Self::live_token) checks and returns the
    /// token to pass to the storage.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(guard: &dlm_client::LockGuard, next_batch: impl Fn() -> bool) {
    /// while guard.is_held() && next_batch() {}
    /// # }
    /// ```
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.state() == GuardState::Held
    }

    /// The TTL that the lease was last granted or renewed for: how long the lock stays taken if
    /// this process dies right after a renewal.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(guard: &dlm_client::LockGuard) {
    /// println!("{:?} of {:?} left", guard.remaining(), guard.ttl());
    /// # }
    /// ```
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.lease.term().ttl()
    }

    /// Whether the guard holds the lock and the server refused the last renewal: the
    /// client's credential is not accepted any more, or its principal has lost the right
    /// to hold the lock.
    ///
    /// The client thread goes on trying with the newest token until the guard's deadline.
    /// If none is accepted, the lock is lost with [`LossReason::AccessDenied`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(guard: &dlm_client::LockGuard) {
    /// if guard.is_access_denied() {
    ///     println!("the lock will be lost in {:?}", guard.remaining());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn is_access_denied(&self) -> bool {
        self.lease.is_access_denied(self.handle.now())
    }

    /// The time until the guard's deadline, at which it is lost unless it is
    /// renewed before. Zero if the lock is not held.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.lease.remaining(self.handle.now())
    }

    /// Waits until the guard no longer holds the lock, and returns why.
    ///
    /// The future completes when the lock is lost. It also completes when the guard
    /// is released, dropped or detached ([`LossReason::Released`],
    /// [`LossReason::Detached`]), because work under the lock has to stop then too.
    ///
    /// The client thread wakes the task that waits, and the task's own executor polls it: one that is
    /// blocked learns of the loss late. Check [`is_held`](Self::is_held) in long computations.
    ///
    /// The future is independent of the guard: it can outlive the guard, there can
    /// be any number of them, and one created after the loss completes at once. Each
    /// poll reads the clock, so after a suspend the first poll completes if the
    /// deadline has passed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect on the guard.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(guard: dlm_client::LockGuard) {
    /// let lost = guard.lost();
    /// tokio::spawn(async move { eprintln!("stop: {}", lost.await) });
    /// # }
    /// ```
    pub fn lost(&self) -> Lost {
        Lost::new(Arc::clone(&self.lease))
    }

    /// Waits until an operator asks the holder to let go of the lock, and returns the request;
    /// `None` once the guard no longer holds the lock.
    ///
    /// Nothing happens by itself: finish what must be finished, then release the guard. With
    /// [`ReleaseRequest::force`](crate::ReleaseRequest::force) the server ends the lease at the
    /// deadline, and the guard is [lost](Self::lost).
    ///
    /// A client with a session is told at once, and one without with its next renewal. Guards
    /// with [`auto_renew(false)`](crate::LockRequest::auto_renew) that use no session are not told.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect on the guard. The request is not lost: a later future
    /// completes at once.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(guard: dlm_client::LockGuard) -> Result<(), dlm_client::Error> {
    /// # async fn next_row() -> Option<u64> { None }
    /// let mut requested = guard.release_requested();
    /// loop {
    ///     tokio::select! {
    ///         _ = &mut requested => break,
    ///         row = next_row() => if row.is_none() { break },
    ///     }
    /// }
    /// guard.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn release_requested(&self) -> ReleaseRequested {
        ReleaseRequested::new(Arc::clone(&self.lease))
    }

    /// Calls `callback` with the reason when the lock is lost. It is not called when the guard is
    /// released, dropped or detached.
    ///
    /// The callback runs on the client thread, which renews all locks of the client: it must not
    /// block. Set a flag, send to a channel, or cancel a token in it. It runs within a second
    /// after a machine that was suspended has resumed; [`lost`](Self::lost) and
    /// [`is_held`](Self::is_held) know at once.
    ///
    /// There may be several callbacks. One that is registered after the loss is called soon.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(guard: &dlm_client::LockGuard) {
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// let stop = Arc::new(AtomicBool::new(false));
    /// let flag = Arc::clone(&stop);
    /// guard.on_lost(move |_reason| flag.store(true, Ordering::Relaxed));
    /// # }
    /// ```
    pub fn on_lost(&self, callback: impl FnOnce(LossReason) + Send + 'static) {
        let (lease, clock) = (Arc::clone(&self.lease), self.handle.context().clock.clone());
        self.handle.spawn_detached(async move {
            lease.wait_for_end().await;
            if let GuardState::Lost(reason) = lease.state(clock.now()) {
                callback(reason);
            }
        });
    }

    /// A token that is cancelled when [`lost`](Self::lost) would complete, or up to a
    /// second later after the machine was suspended. Cancelling the token has no
    /// effect on the guard.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(guard: dlm_client::LockGuard) {
    /// # async fn work() {}
    /// // `None` if the lock is lost before the work is done.
    /// let done = guard.lost_token().run_until_cancelled(work()).await;
    /// # }
    /// ```
    #[must_use]
    pub fn lost_token(&self) -> CancellationToken {
        self.lease.end_token()
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.handle.release_in_background(&self.lease);
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("resource", &self.resource())
            .field("mode", &self.mode())
            .field("fencing_token", &self.fencing_token())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
