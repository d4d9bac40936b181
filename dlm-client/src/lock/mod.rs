//! Lock requests: how a lock is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::future::IntoFuture;
use std::pin::{Pin, pin};
use std::time::Duration;

use dlm_protocol::{IdempotencyKey, Metadata, Mode, Owner, Ttl, Wait};
use futures_util::future::{Either, select};
use tracing::{Instrument, debug_span};

use crate::acquire::{AcquireOptions, WaitPolicy};
use crate::defaults::LockDefaults;
use crate::draft::RequestDraft;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::worker::Handle;

type BoxedRequest<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A request for a lock that waits until the lock is granted.
///
/// Created by [`Client::lock`](crate::Client::lock), configured by its methods, and
/// sent by `.await`.
///
/// The request is retried over connection errors and server restarts, always with
/// the same idempotency key, so that a lost reply cannot acquire the lock twice.
///
/// A server keeps a waiter in the queue for at most 24 hours. A request without a
/// [`wait`](Self::wait) limit rejoins the queue at its end after that.
///
/// # Errors
///
/// - [`is_invalid`](Error::is_invalid): an argument is invalid. The first such
///   error is reported when the request is awaited.
/// - [`is_timeout`](Error::is_timeout): the [`wait`](Self::wait) timed out, even if
///   the server was unreachable meanwhile.
/// - [`is_held`](Error::is_held): the wait is zero and someone else holds the lock.
/// - [`is_lost`](Error::is_lost): the lease or wait under the given
///   [`idempotency_key`](Self::idempotency_key) has ended.
/// - [`is_second_guard`](Error::is_second_guard): the given idempotency key is in
///   use in this process.
/// - [`is_closed`](Error::is_closed): the client is closed.
/// - [`is_unexpected_reply`](Error::is_unexpected_reply): the address is not that
///   of a dlm server.
///
/// # Cancel safety
///
/// Dropping the future leaves the queue, and releases the lock if the grant was
/// already on its way. The client thread notifies the server in the background.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
/// use std::time::Duration;
///
/// let report = client
///     .lock("reports/2026")
///     .shared()
///     .ttl(Duration::from_secs(10))
///     .wait(Duration::from_secs(60))
///     .owner("report-3")
///     .metadata([("ticket", "OPS-7")])
///     .await?;
/// // A retry of this, even after a restart of the process, gets the same lease.
/// let job = client.lock("nightly").idempotency_key("nightly-2026-01-01").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is locked before the request is awaited"]
pub struct LockRequest {
    draft: RequestDraft,
}

/// A request for a lock that does not wait.
///
/// Created by [`Client::try_lock`](crate::Client::try_lock), configured by its
/// methods, and sent by `.await`.
///
/// Transient errors are retried a few times within the client's request timeout.
///
/// # Errors
///
/// The errors of [`LockRequest`], except that a held lock is `None` and not an
/// error. In addition, [`is_connect`](Error::is_connect) or
/// [`is_timeout`](Error::is_timeout) if the server does not reply.
///
/// # Cancel safety
///
/// Dropping the future releases the lock if the grant was already on its way.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
/// use std::time::Duration;
///
/// if let Some(guard) = client.try_lock("nightly").ttl(Duration::from_secs(10)).owner("api-7").await? {
///     println!("running the job with token {}", guard.fencing_token());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is locked before the request is awaited"]
pub struct TryLockRequest {
    draft: RequestDraft,
}

macro_rules! request_options {
    ($request:ty) => {
        impl $request {
            /// Requests a shared lock, which can be held together with other shared
            /// locks. The default is exclusive.
            pub fn shared(self) -> Self {
                self.configure(|options| {
                    options.request.mode = Mode::Shared;
                    Ok(())
                })
            }

            /// How long the lease lives without a renewal: 100 ms to 24 hours. The
            /// default is the client's
            /// [`default_ttl`](crate::ClientBuilder::default_ttl).
            pub fn ttl(self, ttl: Duration) -> Self {
                self.configure(|options| {
                    options.request.ttl_ms = Ttl::try_from(ttl)?;
                    Ok(())
                })
            }

            /// A label of the holder for people to read: at most 256 bytes without
            /// control characters. The default is the client's
            /// [`owner`](crate::ClientBuilder::owner).
            pub fn owner(self, owner: impl AsRef<str>) -> Self {
                self.configure(|options| {
                    options.request.owner = Owner::try_from(owner.as_ref())?;
                    Ok(())
                })
            }

            /// Key-value pairs to show next to the lease in its status: at most
            /// 4 KiB in total. Replaces earlier metadata.
            pub fn metadata<K: Into<String>, V: Into<String>>(
                self,
                pairs: impl IntoIterator<Item = (K, V)>,
            ) -> Self {
                self.configure(|options| {
                    let pairs = pairs.into_iter().map(|(key, value)| (key.into(), value.into()));
                    options.request.metadata = Metadata::try_from(pairs.collect::<BTreeMap<_, _>>())?;
                    Ok(())
                })
            }

            /// Identifies this request across retries: 1 to 255 visible ASCII
            /// characters. Another request with the same key, for example from
            /// another process or after a restart, gets the same lease and never a
            /// second one. By default each request uses a new key.
            ///
            /// A retry must use the same mode, TTL, wait, owner and metadata. Once
            /// the lease has ended, a retry fails with [`Error::is_lost`].
            ///
            /// Dropping the request before it completes gives up whatever exists
            /// under the key, including the place or lease of another process that
            /// uses the same key.
            pub fn idempotency_key(self, key: impl AsRef<str>) -> Self {
                self.configure(|options| {
                    options.key = Some(IdempotencyKey::try_from(key.as_ref())?);
                    Ok(())
                })
            }

            /// Whether the client renews the lease automatically; `true` by default.
            /// If `false`, the guard is lost at the end of the TTL unless
            /// [`LockGuard::renew`] is called before.
            ///
            /// The server reports a force-release at once, over the connection that
            /// the lease was acquired or last renewed over. If that connection
            /// breaks, the client does not register a manually renewed lease with
            /// the next one, because that would extend the lease. The loss then
            /// shows at the next [`LockGuard::renew`].
            pub fn auto_renew(self, renew: bool) -> Self {
                self.configure(|options| {
                    options.auto_renew = renew;
                    Ok(())
                })
            }

            fn configure(mut self, change: impl FnOnce(&mut AcquireOptions) -> Result<(), Error>) -> Self {
                self.draft.change(change);
                self
            }
        }

        impl fmt::Debug for $request {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($request))
                    .field("options", &self.draft.options)
                    .finish_non_exhaustive()
            }
        }
    };
}
request_options!(LockRequest);
request_options!(TryLockRequest);

impl LockRequest {
    pub(crate) fn new(handle: Handle, defaults: &LockDefaults, name: &str) -> Self {
        Self { draft: RequestDraft::new(handle, defaults, name, WaitPolicy::Forever) }
    }

    /// How long to wait for the lock, from when the request is awaited: at most
    /// 24 hours. By default the request waits until the lock is granted. A wait of
    /// zero does not wait, like [`Client::try_lock`](crate::Client::try_lock).
    pub fn wait(self, wait: Duration) -> Self {
        self.configure(|options| {
            let wait = Wait::try_from(wait)?;
            options.wait =
                if wait == Wait::default() { WaitPolicy::NoWait } else { WaitPolicy::AtMost(wait) };
            Ok(())
        })
    }

    /// Acquires the lock, runs `work`, and releases the lock. See
    /// [`Client::with_lock`](crate::Client::with_lock).
    ///
    /// # Errors
    ///
    /// The errors of [`Client::with_lock`](crate::Client::with_lock).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the work and releases the lock.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// # async fn count_lines() -> u64 { 0 }
    /// let lines = client.lock("reports").shared().with(async |_| count_lines().await).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with<T>(self, work: impl AsyncFnOnce(&LockGuard) -> T) -> Result<T, Error> {
        let span = debug_span!("with_lock", resource = self.draft.name());
        self.run(work).instrument(span).await
    }

    async fn run<T>(self, work: impl AsyncFnOnce(&LockGuard) -> T) -> Result<T, Error> {
        let guard = self.await?;
        let result = {
            let lost = pin!(guard.lost());
            match select(lost, pin!(work(&guard))).await {
                Either::Left((reason, _)) => return Err(Error::lost(guard.resource(), reason)),
                Either::Right((result, _)) => result,
            }
        };
        match guard.release().await {
            Err(error) if error.is_lost() => Err(error),
            _ => Ok(result),
        }
    }
}

impl TryLockRequest {
    pub(crate) fn new(handle: Handle, defaults: &LockDefaults, name: &str) -> Self {
        Self { draft: RequestDraft::new(handle, defaults, name, WaitPolicy::NoWait) }
    }
}

impl IntoFuture for LockRequest {
    type Output = Result<LockGuard, Error>;
    type IntoFuture = BoxedRequest<LockGuard>;

    fn into_future(self) -> Self::IntoFuture {
        let span = debug_span!("lock", resource = self.draft.name(), mode = ?self.draft.mode());
        Box::pin(self.draft.send().instrument(span))
    }
}

impl IntoFuture for TryLockRequest {
    type Output = Result<Option<LockGuard>, Error>;
    type IntoFuture = BoxedRequest<Option<LockGuard>>;

    fn into_future(self) -> Self::IntoFuture {
        let span = debug_span!("try_lock", resource = self.draft.name(), mode = ?self.draft.mode());
        let request = async {
            match self.draft.send().await {
                Ok(guard) => Ok(Some(guard)),
                Err(error) if error.is_held() => Ok(None),
                Err(error) => Err(error),
            }
        };
        Box::pin(request.instrument(span))
    }
}
