//! The guard of a held lock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{FencingToken, Mode, Ttl};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug_span};

use crate::detached::DetachedLease;
use crate::error::Error;
use crate::held_lease::HeldLease;
use crate::loss::{GuardState, LossReason};
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
/// anyway.
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
    pub fn lost(&self) -> impl Future<Output = LossReason> + Send + 'static + use<> {
        let lease = Arc::clone(&self.lease);
        async move { lease.wait_for_end().await }
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

    /// Renews the lease now, for `ttl` from now on: 100 ms to 24 hours.
    ///
    /// The TTL also applies to later automatic renewals. A renewal never shortens
    /// the current term.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) if the TTL is out of bounds;
    /// [`is_lost`](Error::is_lost) if the lock is lost. Transient errors are not
    /// reported: the renewal is retried until it succeeds or the guard is lost.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the lease may or may not be renewed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// use std::time::Duration;
    ///
    /// let guard = client.lock("device/3").auto_renew(false).ttl(Duration::from_secs(5)).await?;
    /// guard.renew(Duration::from_secs(60)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn renew(&self, ttl: Duration) -> Result<(), Error> {
        let ttl = Ttl::try_from(ttl)?;
        let span =
            debug_span!("renew", resource = %self.lease.resource, fencing_token = %self.lease.fencing_token);
        self.handle.renew(&self.lease, ttl).instrument(span).await
    }

    /// Releases the lock and reports the result.
    ///
    /// # Errors
    ///
    /// [`is_lost`](Error::is_lost) if the lock was lost before.
    /// [`is_connect`](Error::is_connect), [`is_timeout`](Error::is_timeout) and
    /// others if the server could not be reached within the request timeout. The
    /// client thread keeps retrying until the lease expires.
    ///
    /// # Cancel safety
    ///
    /// The lock is released even if the future is dropped, and even before it was
    /// first polled.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// match client.lock("orders/42").await?.release().await {
    ///     Err(error) if error.is_lost() => println!("another holder may have interfered: {error}"),
    ///     released => released?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn release(self) -> Result<(), Error> {
        let span = debug_span!("release", resource = %self.lease.resource, fencing_token = %self.lease.fencing_token);
        self.handle.release(&self.lease).instrument(span).await
    }

    /// Detaches the lease from the guard. The lease is no longer renewed or
    /// released, and lives until it expires unless it is
    /// [adopted](crate::Client::adopt).
    ///
    /// A lost guard can be detached too: nothing releases its lease after that. Such
    /// a lease has usually ended, and then cannot be adopted.
    ///
    /// Use this to hand a lock to another process, or to keep it across a restart.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = |_: &DetachedLease| {};
    /// use dlm_client::DetachedLease;
    ///
    /// let lease: DetachedLease = client.lock("migration").await?.detach();
    /// store(&lease); // it is serializable; keep it as secret as a password
    /// let guard = client.adopt(&lease).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn detach(self) -> DetachedLease {
        let (resource, token) = (&self.lease.resource, self.lease.fencing_token);
        let _entered = debug_span!("detach", %resource, fencing_token = %token).entered();
        DetachedLease {
            resource: self.lease.resource.clone(),
            lease_id: self.handle.detach(&self.lease),
            mode: self.lease.mode,
            fencing_token: self.lease.fencing_token,
            expires_at: Some(self.lease.expires_at()),
        }
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
