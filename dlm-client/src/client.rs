use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, debug_span};

use crate::builder::{ClientBuilder, Options};
use crate::detached::DetachedLease;
use crate::error::Error;
use crate::events::Events;
use crate::guard::LockGuard;
use crate::list::Locks;
use crate::lock::{LockRequest, TryLockRequest};
use crate::worker::Handle;

/// A connection to a dlm server. A clone is cheap and shares everything.
///
/// Behind it stands one thread of its own with a small runtime, so that locks
/// are renewed and released whatever the application does to its own. The
/// client's futures run on any executor, or under a plain `block_on`.
///
/// The thread ends when the last clone and the last guard are dropped and the
/// releases that are left have been sent. A program that ends sooner should
/// [`close`](Self::close) the client first, or its last locks are only free
/// when their TTL has run out.
#[derive(Clone)]
pub struct Client {
    pub(crate) handle: Handle,
    pub(crate) options: Arc<Options>,
}

impl Client {
    pub(crate) fn new(handle: Handle, options: Options) -> Self {
        Self { handle, options: Arc::new(options) }
    }

    /// Connects to the server at `url`, such as `http://127.0.0.1:7420`, or to
    /// the first that answers of several with commas between them.
    ///
    /// # Errors
    ///
    /// Those of [`ClientBuilder::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let client = dlm_client::Client::connect("http://127.0.0.1:7420").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().address(url).connect().await
    }

    /// For a client with an owner, a TTL or a timeout of its own.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), dlm_client::Error> {
    /// let builder = dlm_client::Client::builder().address("http://127.0.0.1:7420").owner("api-7");
    /// let client = builder.connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Locks `name`: waits its turn, for as long as it takes unless
    /// [`wait`](LockRequest::wait) says otherwise. Nothing is sent before the
    /// request is awaited.
    ///
    /// A name is 1 to 256 bytes of text without control characters.
    ///
    /// # Errors
    ///
    /// Those of [`LockRequest`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue, and the lock if the
    /// grant was already on its way.
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
        LockRequest::new(self, name.as_ref())
    }

    /// Locks `name` if that is possible at once; `None` if somebody else holds
    /// it or waits for it.
    ///
    /// # Errors
    ///
    /// Those of [`TryLockRequest`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the lock if the grant was already on its
    /// way.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// if let Some(guard) = client.try_lock("nightly-report").await? {
    ///     // this process makes the report
    ///     guard.release().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_lock(&self, name: impl AsRef<str>) -> TryLockRequest {
        TryLockRequest::new(self, name.as_ref())
    }

    /// Locks `name`, does `work`, and releases. The work is stopped, by dropping
    /// its future, when the lock is lost.
    ///
    /// # Errors
    ///
    /// Those of [`lock`](Self::lock) before the work has begun.
    /// [`is_lost`](Error::is_lost) when the lock was lost before the work was
    /// done, or found lost at its release: other holders may have been at it
    /// meanwhile. A release that fails in passing is no error; the client goes
    /// on with it.
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

    /// Makes a guard of a lease that was [`detach`](LockGuard::detach)ed, here
    /// or elsewhere. The lease is renewed at once, for its own TTL, and from
    /// then on like any other.
    ///
    /// # Errors
    ///
    /// [`is_lost`](Error::is_lost) when the lease has ended;
    /// [`is_second_guard`](Error::is_second_guard) when it has a guard in this
    /// process already; [`is_connect`](Error::is_connect),
    /// [`is_timeout`](Error::is_timeout) and others when the server can't say.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the lease is either released or lives to its
    /// expiry.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// # let read = || String::new();
    /// let guard = client.adopt(serde_json::from_str(&read())?).await?;
    /// println!("{} goes on under token {}", guard.resource(), guard.fencing_token());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn adopt(&self, lease: DetachedLease) -> Result<LockGuard, Error> {
        let span = debug_span!("adopt", resource = %lease.resource, fencing_token = %lease.fencing_token);
        self.handle.adopt(lease).instrument(span).await
    }

    /// The resources of the server: a stream of their status, ordered by the
    /// bytes of the name and fetched page by page. Held ones, unless
    /// [`state`](Locks::state) says otherwise.
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
        Locks::new(self.clone())
    }

    /// What happens to locks: a stream that reconnects and resumes by itself.
    /// From now on, unless [`after`](Events::after) says otherwise.
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
        Events::new(self.clone())
    }

    /// Closes the client and all its clones: ends all waiting for locks, and
    /// waits until the releases of guards dropped so far have been sent, for
    /// `timeout` at most.
    ///
    /// From then on the client answers [`is_closed`](Error::is_closed). Guards
    /// that are alive stay so: they are renewed, and released when dropped.
    ///
    /// # Errors
    ///
    /// [`is_timeout`](Error::is_timeout) when releases were left. The client's
    /// thread goes on with them as long as the process lives.
    ///
    /// # Cancel safety
    ///
    /// The client is closed also when the future is dropped, once it was polled.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// use std::time::Duration;
    ///
    /// drop(client.lock("orders/42").await?);
    /// client.close(Duration::from_secs(5)).await?; // the release has been sent
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.handle.flush(timeout).instrument(debug_span!("close")).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", self.handle.shared.transport.name())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
