use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{FencingToken, Mode, Ttl};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug_span};

use crate::clock::Moment;
use crate::detached::DetachedLease;
use crate::error::Error;
use crate::held::Held;
use crate::loss::{GuardState, LossReason};
use crate::worker::Handle;

/// A lock that is held, and released when the guard is dropped.
///
/// The client's own thread renews the lease behind it when a third of its TTL is
/// over, unless [`auto_renew(false)`](crate::LockRequest::auto_renew) was asked
/// for. A renewal that fails in passing is repeated until the guard's own
/// deadline, which lies a little before the server's. Past it the guard is
/// *lost*, and stays so.
///
/// [`state`](Self::state), [`remaining`](Self::remaining) and
/// [`live_token`](Self::live_token) compute from the clock at each call: they
/// are right also in a process that was stopped for an hour a moment ago. No
/// question about the past can protect a write that is on its way, though. For
/// that, hand the [`fencing_token`](Self::fencing_token) to the storage with
/// each write.
///
/// Dropping the guard never blocks, never awaits and needs no runtime: the
/// client's thread releases the lease, and repeats that over failures until the
/// lease would have expired anyway.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), dlm_client::Error> {
/// # async fn write(_: dlm_client::FencingToken) {}
/// let client = dlm_client::Client::connect("http://127.0.0.1:7420").await?;
/// let guard = client.lock("orders/42").await?;
/// write(guard.fencing_token()).await;
/// guard.release().await?; // or just drop it
/// # Ok(())
/// # }
/// ```
#[must_use = "a lock is released as soon as its guard is dropped"]
#[clippy::has_significant_drop]
pub struct LockGuard {
    handle: Handle,
    held: Arc<Held>,
}

impl LockGuard {
    /// Over `socket` its lease was granted or renewed, or else over HTTP.
    pub(crate) fn new(handle: Handle, held: Arc<Held>, socket: Option<u64>) -> Self {
        handle.watch(&held, socket);
        Self { handle, held }
    }

    /// The token of this grant, also when the guard is lost.
    ///
    /// Each grant of a resource has a larger one than the grants before it. A
    /// storage that remembers the largest token it has seen, and refuses writes
    /// with a smaller one, refuses stale holders. The tokens of shared locks
    /// tell their holders apart but don't order them.
    ///
    /// See [`live_token`](Self::live_token) for a token that is only given out
    /// while the lock is held, and the example there.
    #[must_use]
    pub fn fencing_token(&self) -> FencingToken {
        self.held.fencing_token
    }

    /// The token of this grant, if the lock is held at this instant.
    ///
    /// # Errors
    ///
    /// [`is_lost`](Error::is_lost) when it is not.
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
        match self.held.loss(Moment::now()) {
            None => Ok(self.held.fencing_token),
            Some(reason) => Err(Error::lost(&self.held.resource, reason)),
        }
    }

    /// The name of what is locked.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.held.resource.as_str()
    }

    /// Exclusive or shared.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.held.mode
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
    ///     GuardState::Held => println!("for {:?} at least", guard.remaining()),
    ///     GuardState::Lost(reason) => println!("lost: {reason}"),
    ///     _ => println!("given back"),
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn state(&self) -> GuardState {
        self.held.state(Moment::now())
    }

    /// The time until the guard's own deadline if it is not renewed before;
    /// zero when the guard is lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.held.remaining(Moment::now())
    }

    /// Waits until the guard holds the lock no more, and says why.
    ///
    /// It answers once the lock is lost, and also when the guard is released,
    /// dropped or detached ([`LossReason::Released`], [`LossReason::Detached`]):
    /// whoever worked under the lock has to stop then too. The future is its
    /// own master: it can outlive the guard, be asked for several times, and be
    /// asked for after the fact.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
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
        let held = Arc::clone(&self.held);
        async move { held.over().await }
    }

    /// A token that is cancelled when [`lost`](Self::lost) answers. Cancelling
    /// it does nothing to the guard.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(guard: dlm_client::LockGuard) {
    /// # async fn work() {}
    /// // `None` when the lock is lost before the work is done.
    /// let done = guard.lost_token().run_until_cancelled(work()).await;
    /// # }
    /// ```
    #[must_use]
    pub fn lost_token(&self) -> CancellationToken {
        self.held.token_of_loss()
    }

    /// Renews the lease now, for `ttl` from now on. The TTL becomes the lease's
    /// own, for later renewals too; an end that lies further away stands.
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) when the TTL is not between 100 ms and
    /// a day; [`is_lost`](Error::is_lost) when the lock is lost. Failures in
    /// passing are no errors here: the renewal is repeated until it is answered
    /// or the guard is lost.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the lease may be renewed or not.
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
            debug_span!("renew", resource = %self.held.resource, fencing_token = %self.held.fencing_token);
        self.handle.renew(&self.held, ttl).instrument(span).await
    }

    /// Releases the lock, and reports how that went.
    ///
    /// # Errors
    ///
    /// [`is_lost`](Error::is_lost) when the lock was lost before.
    /// [`is_connect`](Error::is_connect), [`is_timeout`](Error::is_timeout) and
    /// others when the server could not be told within the time of a request;
    /// the client's thread goes on trying until the lease expires.
    ///
    /// # Cancel safety
    ///
    /// The lock is released also when the future is dropped, even before it was
    /// first polled.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// match client.lock("orders/42").await?.release().await {
    ///     Err(error) if error.is_lost() => println!("somebody else was at it: {error}"),
    ///     released => released?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn release(self) -> Result<(), Error> {
        let span =
            debug_span!("release", resource = %self.held.resource, fencing_token = %self.held.fencing_token);
        self.handle.release(&self.held).instrument(span).await
    }

    /// Takes the lease out of the guard's hands: it is neither renewed nor
    /// released any more, and lives to its expiry unless somebody
    /// [`adopt`](crate::Client::adopt)s it.
    ///
    /// For handing a lock to another process, or over a restart.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = |_: &DetachedLease| {};
    /// use dlm_client::DetachedLease;
    ///
    /// let lease: DetachedLease = client.lock("migration").await?.detach();
    /// store(&lease); // it is serialisable; keep it as secret as a password
    /// let guard = client.adopt(lease).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn detach(self) -> DetachedLease {
        let (resource, token) = (&self.held.resource, self.held.fencing_token);
        let _entered = debug_span!("detach", %resource, fencing_token = %token).entered();
        DetachedLease {
            resource: self.held.resource.clone(),
            lease_id: self.handle.detach(&self.held),
            mode: self.held.mode,
            fencing_token: self.held.fencing_token,
        }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.handle.give_back(&self.held);
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
