//! The client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, debug_span, field};

use crate::defaults::LockDefaults;
use crate::detached::DetachedLease;
use crate::error::Error;
use crate::events::Events;
use crate::guard::LockGuard;
use crate::list::Locks;
use crate::lock::{LockRequest, TryLockRequest};
use crate::outcome;
use crate::worker::Handle;

/// A client of a dlm server.
///
/// Clones are cheap and share the connections, so one client per process is enough. It does not
/// survive a [fork](crate#fork): connect after it.
///
/// Each client owns one thread with a small runtime that renews and releases
/// locks, so that locks survive an application that blocks its own runtime. The
/// client's futures run on any executor, or under a plain `block_on`.
///
/// The thread ends when the last clone and the last guard are dropped and the
/// pending releases are done. A program that exits earlier should
/// [`close`](Self::close) the client first. Otherwise its last locks stay taken
/// until their TTL runs out.
#[derive(Clone)]
pub struct Client {
    pub(crate) handle: Handle,
    defaults: Arc<LockDefaults>,
}

impl Client {
    pub(crate) fn new(handle: Handle, defaults: LockDefaults) -> Self {
        Self { handle, defaults: Arc::new(defaults) }
    }

    /// Acquires the lock on `name`. If it is held, the request joins a FIFO queue
    /// and waits until the lock is granted, or for at most
    /// [`wait`](LockRequest::wait). Nothing is sent before the request is awaited.
    ///
    /// Locks are [not reentrant](crate#not-reentrant): a task that locks a name twice waits for
    /// itself.
    ///
    /// A name is 1 to 256 bytes of text without control characters.
    ///
    /// # Errors
    ///
    /// The errors of [`LockRequest`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue, and releases the lock if the grant was
    /// already on its way.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// use std::time::Duration;
    ///
    /// let guard = client.lock("orders/42").await?;
    /// let reader = client.lock("reports").shared().ttl(Duration::from_secs(5)).await?;
    ///
    /// match client.lock("reports").wait(Duration::from_secs(2)).await {
    ///     Ok(writer) => drop(writer),
    ///     Err(error) if error.is_timeout() => println!("held by {:?}", error.holders()),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn lock(&self, name: impl AsRef<str>) -> LockRequest {
        LockRequest::new(self.handle.clone(), &self.defaults, name.as_ref())
    }

    /// Acquires the lock on `name` without waiting. Returns `None` if someone else
    /// holds it or waits for it, or another guard of this process.
    ///
    /// # Errors
    ///
    /// The errors of [`TryLockRequest`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future releases the lock if the grant was already on its way.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// if let Some(guard) = client.try_lock("nightly-report").await? {
    ///     // This process writes the report.
    ///     guard.release().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_lock(&self, name: impl AsRef<str>) -> TryLockRequest {
        TryLockRequest::new(self.handle.clone(), &self.defaults, name.as_ref())
    }

    /// Acquires the lock on `name`, runs `work`, and releases the lock. If the lock
    /// is lost, the work is stopped by dropping its future. The work must not lock `name`
    /// again: locks are [not reentrant](crate#not-reentrant).
    ///
    /// # Errors
    ///
    /// The errors of [`lock`](Self::lock), before the work starts.
    /// [`is_lost`](Error::is_lost) if the lock was lost before the work completed,
    /// or turns out to be lost when it is released: another holder may have acquired
    /// it meanwhile. A release that fails for another reason is not an error; the
    /// client thread keeps retrying it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the work and releases the lock.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// # async fn import(_: dlm_client::FencingToken) -> u64 { 0 }
    /// let rows = client.with_lock("import", async |guard| import(guard.fencing_token()).await).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with_lock<T>(
        &self,
        name: impl AsRef<str>,
        work: impl AsyncFnOnce(&LockGuard) -> T,
    ) -> Result<T, Error> {
        self.lock(name).with(work).await
    }

    /// Creates a guard for a lease that was [detached](LockGuard::detach), in this
    /// process or another one. The lease is renewed at once for its own TTL, and
    /// automatically from then on. The guard holds the lock when this returns.
    ///
    /// # Errors
    ///
    /// [`is_lost`](Error::is_lost) if the lease has ended, or if it belongs to another
    /// principal, which [`code`](Error::code) `NotHolder` says; or if the replies take longer
    /// than its TTL, in which case it is released; [`is_second_guard`](Error::is_second_guard) if it already has a guard in this
    /// process; [`is_connect`](Error::is_connect),
    /// [`is_timeout`](Error::is_timeout) and others if the server does not reply.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the lease is either released or lives until it
    /// expires.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// # let read = || String::new();
    /// let guard = client.adopt(&serde_json::from_str(&read())?).await?;
    /// println!("adopted {} with token {}", guard.resource(), guard.fencing_token());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn adopt(&self, lease: &DetachedLease) -> Result<LockGuard, Error> {
        let span = debug_span!("adopt", resource = %lease.resource, fencing_token = %lease.fencing_token,
            outcome = field::Empty);
        outcome::record(span, "adopted", self.handle.adopt(lease.clone())).await
    }

    /// Releases a lease that was [detached](LockGuard::detach) and not adopted, in
    /// this process or another one. A repeat succeeds too, for about ten minutes.
    ///
    /// # Errors
    ///
    /// [`is_lost`](Error::is_lost) if the lease has ended in another way;
    /// [`is_second_guard`](Error::is_second_guard) if it has a guard in this process:
    /// release that; [`is_connect`](Error::is_connect),
    /// [`is_timeout`](Error::is_timeout) and others if the server does not reply after
    /// a few retries. The lease then lives until it expires, or may be released.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after it was polled, the lease may or may not be
    /// released.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// # let read = || String::new();
    /// let lease: dlm_client::DetachedLease = serde_json::from_str(&read())?;
    /// client.release(&lease).await?; // nobody will continue the work
    /// # Ok(())
    /// # }
    /// ```
    pub async fn release(&self, lease: &DetachedLease) -> Result<(), Error> {
        let span = debug_span!("release_detached", resource = %lease.resource,
            fencing_token = %lease.fencing_token, outcome = field::Empty);
        outcome::record(span, "released", self.handle.release_detached(lease.clone())).await
    }

    /// Lists locks: a stream of their status, ordered by the bytes of the name and
    /// fetched page by page. By default only held locks are listed; see
    /// [`state`](Locks::state).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let mut locks = client.locks().prefix("orders/");
    /// while let Some(status) = locks.next().await {
    ///     println!("{}", status?.resource);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn locks(&self) -> Locks {
        Locks::new(self.handle.clone())
    }

    /// Subscribes to lock events: a stream that reconnects and resumes
    /// automatically. It starts now, or at the cursor given to
    /// [`after`](Events::after).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// use dlm_client::EventItem;
    ///
    /// let mut events = client.events().prefix("orders/");
    /// while let Some(item) = events.next().await {
    ///     match item? {
    ///         EventItem::Event(event) => println!("{} {}", event.kind.as_str(), event.resource),
    ///         EventItem::CursorLost => println!("some events were missed"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        Events::new(self.handle.clone())
    }

    /// Closes the client and all its clones: ends all waits for locks, and waits
    /// until the guards dropped so far are released, for at most `timeout`.
    ///
    /// Later calls fail with [`is_closed`](Error::is_closed). Existing guards are
    /// not affected: they are still renewed, and released when dropped.
    ///
    /// # Errors
    ///
    /// [`is_timeout`](Error::is_timeout) if releases are still pending. The client
    /// thread keeps retrying them while the process lives.
    ///
    /// # Cancel safety
    ///
    /// Once the future was polled, the client is closed even if the future is
    /// dropped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// use std::time::Duration;
    ///
    /// drop(client.lock("orders/42").await?);
    /// client.close(Duration::from_secs(5)).await?; // the lock is released
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.handle.close(timeout).instrument(debug_span!("close")).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", self.handle.context().transport.name())
            .field("defaults", &self.defaults)
            .finish_non_exhaustive()
    }
}
