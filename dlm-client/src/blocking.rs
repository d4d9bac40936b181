//! The client for programs without async: each operation blocks its thread.
//!
//! The client thread does the work in any case, so all that is left to a caller is to wait.

use std::future::IntoFuture;
use std::time::Duration;

use crate::builder::ClientBuilder;
use crate::client::Client;
use crate::detached::DetachedLease;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::lock::{LockRequest, TryLockRequest};

/// Blocks the thread until the future completes.
#[track_caller]
fn block_on<F: IntoFuture>(future: F) -> F::Output {
    // It has neither timers nor I/O: the client thread has them.
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without drivers needs nothing that can fail").block_on(future.into_future())
}

impl ClientBuilder {
    /// Blocking version of [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// The errors of [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// In an async task: [see](crate#without-async).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example() -> Result<(), dlm_client::Error> {
    /// let client = dlm_client::ClientBuilder::from_env().connect_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn connect_blocking(self) -> Result<Client, Error> {
        block_on(self.connect())
    }
}

impl Client {
    /// Blocking version of [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// The errors of [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// In an async task: [see](crate#without-async).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// fn main() -> Result<(), dlm_client::Error> {
    ///     let client = dlm_client::Client::connect_blocking("http://127.0.0.1:7420")?;
    ///     let guard = client.lock_blocking("nightly-report")?;
    ///     println!("running with token {}", guard.fencing_token());
    ///     guard.release_blocking()?;
    ///     client.close_blocking(std::time::Duration::from_secs(5))
    /// }
    /// ```
    #[track_caller]
    pub fn connect_blocking(url: &str) -> Result<Self, Error> {
        block_on(Self::connect(url))
    }

    /// Blocking version of [`lock`](Self::lock). To refine the request, see
    /// [`LockRequest::lock_blocking`].
    ///
    /// # Errors
    ///
    /// The errors of [`LockRequest`].
    ///
    /// # Panics
    ///
    /// In an async task: [see](crate#without-async).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let guard = client.lock_blocking("orders/42")?; // waits in the queue
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn lock_blocking(&self, name: impl AsRef<str>) -> Result<LockGuard, Error> {
        self.lock(name).lock_blocking()
    }

    /// Blocking version of [`try_lock`](Self::try_lock). To refine the request, see
    /// [`TryLockRequest::try_lock_blocking`].
    ///
    /// # Errors
    ///
    /// The errors of [`TryLockRequest`].
    ///
    /// # Panics
    ///
    /// In an async task: [see](crate#without-async).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let Some(guard) = client.try_lock_blocking("nightly-report")? else { return Ok(()) };
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_lock_blocking(&self, name: impl AsRef<str>) -> Result<Option<LockGuard>, Error> {
        self.try_lock(name).try_lock_blocking()
    }

    /// Blocking version of [`adopt`](Self::adopt).
    ///
    /// # Errors
    ///
    /// The errors of [`adopt`](Self::adopt).
    ///
    /// # Panics
    ///
    /// In an async task: [see](crate#without-async).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: dlm_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let guard = client.adopt_blocking(&serde_json::from_reader(std::io::stdin())?)?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn adopt_blocking(&self, lease: &DetachedLease) -> Result<LockGuard, Error> {
        block_on(self.adopt(lease))
    }

    /// Blocking version of [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// The errors of [`close`](Self::close).
    ///
    /// # Panics
    ///
    /// In an async task: [see](crate#without-async).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// drop(client.lock_blocking("orders/42")?);
    /// client.close_blocking(std::time::Duration::from_secs(5))?; // the lock is released
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn close_blocking(&self, timeout: Duration) -> Result<(), Error> {
        block_on(self.close(timeout))
    }
}

impl LockRequest {
    /// Sends the request and blocks until the lock is granted.
    ///
    /// # Errors
    ///
    /// The errors of [`LockRequest`].
    ///
    /// # Panics
    ///
    /// In an async task: [see](crate#without-async).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// use std::time::Duration;
    ///
    /// let guard = client.lock("orders/42").wait(Duration::from_secs(60)).lock_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn lock_blocking(self) -> Result<LockGuard, Error> {
        block_on(self)
    }
}

impl TryLockRequest {
    /// Sends the request and blocks until the server replies.
    ///
    /// # Errors
    ///
    /// The errors of [`TryLockRequest`].
    ///
    /// # Panics
    ///
    /// In an async task: [see](crate#without-async).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let guard = client.try_lock("reports").shared().try_lock_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_lock_blocking(self) -> Result<Option<LockGuard>, Error> {
        block_on(self)
    }
}

impl LockGuard {
    /// Blocking version of [`renew`](Self::renew).
    ///
    /// # Errors
    ///
    /// The errors of [`renew`](Self::renew).
    ///
    /// # Panics
    ///
    /// In an async task: [see](crate#without-async).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(guard: &dlm_client::LockGuard) -> Result<(), dlm_client::Error> {
    /// guard.renew_blocking(std::time::Duration::from_secs(60))?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn renew_blocking(&self, ttl: Duration) -> Result<(), Error> {
        block_on(self.renew(ttl))
    }

    /// Blocking version of [`release`](Self::release).
    ///
    /// # Errors
    ///
    /// The errors of [`release`](Self::release).
    ///
    /// # Panics
    ///
    /// In an async task: [see](crate#without-async). The lock is released all the same.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// client.lock_blocking("orders/42")?.release_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn release_blocking(self) -> Result<(), Error> {
        block_on(self.release())
    }
}
