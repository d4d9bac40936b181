//! Renews and ends a guard.

use std::time::Duration;

use dlm_protocol::Ttl;
use tracing::{debug_span, field};

use super::LockGuard;
use crate::detached::DetachedLease;
use crate::error::Error;
use crate::outcome;

impl LockGuard {
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
        let span = debug_span!("renew", resource = %self.lease.resource,
            fencing_token = %self.lease.fencing_token, outcome = field::Empty);
        outcome::record(span, "renewed", self.handle.renew(&self.lease, ttl)).await
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
        let span = debug_span!("release", resource = %self.lease.resource,
            fencing_token = %self.lease.fencing_token, outcome = field::Empty);
        outcome::record(span, "released", self.handle.release(&self.lease)).await
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
