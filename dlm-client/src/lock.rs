use std::collections::BTreeMap;
use std::fmt;
use std::future::IntoFuture;
use std::pin::{Pin, pin};
use std::time::Duration;

use dlm_protocol::{IdempotencyKey, Metadata, Mode, Owner, Ttl, Wait};
use futures_util::future::{Either, select};
use tracing::{Instrument, debug_span};

use crate::client::Client;
use crate::draft::Draft;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::worker::{Order, Patience};

/// What a lock's future is called here.
type Locking<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A lock that is going to be waited for: made by [`Client::lock`], refined by
/// its methods, sent by `.await`.
///
/// It goes on over connection errors and a server that is restarted, always
/// with one key, so that a lost answer can't lock twice.
///
/// A server keeps a waiter for a day at most. One that waits longer, as long as
/// it takes, begins anew then, at the end of the queue.
///
/// # Errors
///
/// - [`is_invalid`](Error::is_invalid): a value is outside its bounds; the first
///   that was is told when the request is awaited
/// - [`is_timeout`](Error::is_timeout): the [`wait`](Self::wait) ran out, also
///   when the server could not be reached meanwhile
/// - [`is_held`](Error::is_held): with a wait of zero, somebody else holds the
///   lock
/// - [`is_lost`](Error::is_lost): the lease or the wait under a key of one's own
///   has ended
/// - [`is_second_guard`](Error::is_second_guard): the key of one's own is in use
///   in this process
/// - [`is_closed`](Error::is_closed): the client was closed
/// - [`is_unexpected_reply`](Error::is_unexpected_reply): what answers is not a
///   dlm server
///
/// # Cancel safety
///
/// Dropping the future gives up the place in the queue, and the lock if the
/// grant was already on its way. The client's thread tells the server.
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
/// // A repeat of this, also after a restart, gets the same lease and no second one.
/// let job = client.lock("nightly").idempotency_key("nightly-2026-01-01").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is locked before the request is awaited"]
pub struct LockRequest {
    draft: Draft,
}

/// A lock that is taken at once or not at all: made by [`Client::try_lock`],
/// refined by its methods, sent by `.await`.
///
/// A failure in passing is repeated a few times, within the client's request
/// timeout.
///
/// # Errors
///
/// Those of [`LockRequest`], except that a lock that is held is `None` and not
/// an error; and [`is_connect`](Error::is_connect) or
/// [`is_timeout`](Error::is_timeout) when the server gives no answer.
///
/// # Cancel safety
///
/// Dropping the future gives up the lock if the grant was already on its way.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
/// use std::time::Duration;
///
/// if let Some(guard) = client.try_lock("nightly").ttl(Duration::from_secs(10)).owner("api-7").await? {
///     println!("this process does it, under token {}", guard.fencing_token());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is locked before the request is awaited"]
pub struct TryLockRequest {
    draft: Draft,
}

macro_rules! refinements {
    ($request:ty) => {
        impl $request {
            /// Shares the lock with other shared holders. It is exclusive
            /// otherwise.
            pub fn shared(self) -> Self {
                self.with_order(|order| {
                    order.request.mode = Mode::Shared;
                    Ok(())
                })
            }

            /// How long the lease lives without a renewal: 100 ms to a day. The
            /// client's default otherwise.
            pub fn ttl(self, ttl: Duration) -> Self {
                self.with_order(|order| {
                    order.request.ttl_ms = Ttl::try_from(ttl)?;
                    Ok(())
                })
            }

            /// Who locks, for people to read: at most 256 bytes without control
            /// characters. The client's owner otherwise.
            pub fn owner(self, owner: impl AsRef<str>) -> Self {
                self.with_order(|order| {
                    order.request.owner = Owner::try_from(owner.as_ref())?;
                    Ok(())
                })
            }

            /// Shown beside the lease in status: at most 4 KiB in all. Replaces
            /// what was given before.
            pub fn metadata<K: Into<String>, V: Into<String>>(
                self,
                pairs: impl IntoIterator<Item = (K, V)>,
            ) -> Self {
                self.with_order(|order| {
                    let pairs = pairs.into_iter().map(|(key, value)| (key.into(), value.into()));
                    order.request.metadata = Metadata::try_from(pairs.collect::<BTreeMap<_, _>>())?;
                    Ok(())
                })
            }

            /// Names this acquire, so that a repeat of it, also by another
            /// process or after a restart, is given the same lease and never a
            /// second one. 1 to 255 visible ASCII characters.
            ///
            /// Each request has a fresh key otherwise. A repeat has to have the
            /// same mode, TTL, wait, owner and metadata; once the lease has
            /// ended, it is told so ([`Error::is_lost`]).
            ///
            /// Dropping the request before it is answered gives up whatever
            /// there is under the key: also the place or the lease of another
            /// process that uses the same one.
            pub fn idempotency_key(self, key: impl AsRef<str>) -> Self {
                self.with_order(|order| {
                    order.key = Some(IdempotencyKey::try_from(key.as_ref())?);
                    Ok(())
                })
            }

            /// Whether the client renews the lease by itself; it does otherwise.
            /// Without, the guard is lost when the TTL has run out, unless
            /// [`LockGuard::renew`] is called before.
            ///
            /// Word that an operator ended the lease comes at once over the
            /// connection that it was taken or last renewed over. When that one
            /// breaks, a lease that is renewed by hand is not made known to the
            /// next, since that would extend it: the loss shows at the next
            /// [`LockGuard::renew`].
            pub fn auto_renew(self, renew: bool) -> Self {
                self.with_order(|order| {
                    order.auto_renew = renew;
                    Ok(())
                })
            }

            fn with_order(mut self, change: impl FnOnce(&mut Order) -> Result<(), Error>) -> Self {
                self.draft.order = self.draft.order.and_then(|mut order| {
                    change(&mut order)?;
                    Ok(order)
                });
                self
            }
        }

        impl fmt::Debug for $request {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($request)).field("order", &self.draft.order).finish_non_exhaustive()
            }
        }
    };
}
refinements!(LockRequest);
refinements!(TryLockRequest);

impl LockRequest {
    pub(crate) fn new(client: &Client, name: &str) -> Self {
        Self { draft: Draft::new(client, name, Patience::Endless) }
    }

    /// How long to wait for the lock: at most a day, counted from when the
    /// request is awaited. As long as it takes otherwise. A wait of zero asks as
    /// [`try_lock`](Client::try_lock) does.
    pub fn wait(self, wait: Duration) -> Self {
        self.with_order(|order| {
            let wait = Wait::try_from(wait)?;
            order.patience = if wait == Wait::default() { Patience::None } else { Patience::Until(wait) };
            Ok(())
        })
    }

    /// Locks, does `work`, and releases; see [`Client::with_lock`].
    ///
    /// # Errors
    ///
    /// Those of [`Client::with_lock`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the work and releases the lock.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let lines = client.lock("reports").shared().with(async |_| 42).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with<T>(self, work: impl AsyncFnOnce(&LockGuard) -> T) -> Result<T, Error> {
        let span = debug_span!("with_lock", resource = self.draft.name());
        self.around(work).instrument(span).await
    }

    async fn around<T>(self, work: impl AsyncFnOnce(&LockGuard) -> T) -> Result<T, Error> {
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
    pub(crate) fn new(client: &Client, name: &str) -> Self {
        Self { draft: Draft::new(client, name, Patience::None) }
    }
}

impl IntoFuture for LockRequest {
    type Output = Result<LockGuard, Error>;
    type IntoFuture = Locking<LockGuard>;

    fn into_future(self) -> Self::IntoFuture {
        let span = debug_span!("lock", resource = self.draft.name(), mode = ?self.draft.mode());
        Box::pin(self.draft.send().instrument(span))
    }
}

impl IntoFuture for TryLockRequest {
    type Output = Result<Option<LockGuard>, Error>;
    type IntoFuture = Locking<Option<LockGuard>>;

    fn into_future(self) -> Self::IntoFuture {
        let span = debug_span!("try_lock", resource = self.draft.name(), mode = ?self.draft.mode());
        let taking = async {
            match self.draft.send().await {
                Ok(guard) => Ok(Some(guard)),
                Err(error) if error.is_held() => Ok(None),
                Err(error) => Err(error),
            }
        };
        Box::pin(taking.instrument(span))
    }
}
