//! What a lock request asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use dlm_protocol::{IdempotencyKey, Metadata, Mode, Owner, Ttl, Wait};

use super::{LockRequest, TryLockRequest};
use crate::acquire::{AcquireOptions, WaitPolicy};
use crate::error::Error;
use crate::place::QueuePlace;

macro_rules! request_options {
    ($request:ty) => {
        impl $request {
            /// Requests a shared lock, which can be held together with other shared
            /// locks. The default is exclusive.
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
            /// let reader = client.lock("reports").shared().await?;
            /// let other = client.try_lock("reports").shared().await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn shared(self) -> Self {
                self.configure(|options| {
                    options.request.mode = Mode::Shared;
                    Ok(())
                })
            }

            /// How long the lease lives without a renewal: 100 ms to 24 hours. The
            /// default is the client's
            /// [`default_ttl`](crate::ClientBuilder::default_ttl).
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
            /// use std::time::Duration;
            ///
            /// // If this process dies, the lock is free again after ten seconds.
            /// let guard = client.lock("orders/42").ttl(Duration::from_secs(10)).await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn ttl(self, ttl: Duration) -> Self {
                self.configure(|options| {
                    options.request.ttl_ms = Ttl::try_from(ttl)?;
                    Ok(())
                })
            }

            /// A label of the holder for people to read: at most 256 bytes without
            /// control characters. The default is the client's
            /// [`owner`](crate::ClientBuilder::owner).
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
            /// let guard = client.lock("orders/42").owner("importer of shop 7").await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn owner(self, owner: impl AsRef<str>) -> Self {
                self.configure(|options| {
                    options.request.owner = Owner::try_from(owner.as_ref())?;
                    Ok(())
                })
            }

            /// Key-value pairs to show next to the lease in its status: at most
            /// 4 KiB in total. Replaces earlier metadata.
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
            /// let guard = client.lock("orders/42").metadata([("ticket", "OPS-7"), ("job", "import")]).await?;
            /// # Ok(())
            /// # }
            /// ```
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
            /// A retry must use the same mode, TTL, wait, owner and metadata. So set the
            /// [`owner`](Self::owner): the default one differs from process to process. Once
            /// the lease has ended, a retry fails with [`Error::is_lost`].
            ///
            /// The server remembers a key for as long as its lease or wait goes on, and for ten
            /// minutes after that; count on no more, and never on a day. A later request with
            /// the key is a new one. So a key does not keep a job from running twice: the
            /// [`fencing_token`](crate::LockGuard::fencing_token) does, in the storage.
            ///
            /// Dropping the request before it completes gives up whatever exists
            /// under the key, including the place or lease of another process that
            /// uses the same key.
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
            /// // A retry after a crash gets the same lease.
            /// let job = client.lock("nightly").owner("nightly").idempotency_key("nightly-2026-01-01").await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn idempotency_key(self, key: impl AsRef<str>) -> Self {
                self.configure(|options| {
                    options.key = Some(IdempotencyKey::try_from(key.as_ref())?);
                    Ok(())
                })
            }

            /// Whether the client renews the lease automatically; `true` by default.
            /// If `false`, the guard is lost at the end of the TTL unless
            /// [`LockGuard::renew`](crate::LockGuard::renew) is called before.
            ///
            /// The server reports a force-release at once, over the connection that
            /// the lease was acquired or last renewed over. If that connection
            /// breaks, the client does not register a manually renewed lease with
            /// the next one, because that would extend the lease. The loss then
            /// shows at the next [`LockGuard::renew`](crate::LockGuard::renew).
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
            /// use std::time::Duration;
            ///
            /// let guard = client.lock("device/3").auto_renew(false).ttl(Duration::from_secs(5)).await?;
            /// guard.renew(Duration::from_secs(60)).await?; // only if the work makes progress
            /// # Ok(())
            /// # }
            /// ```
            pub fn auto_renew(self, renew: bool) -> Self {
                self.configure(|options| {
                    options.auto_renew = renew;
                    Ok(())
                })
            }

            pub(super) fn configure(
                mut self,
                change: impl FnOnce(&mut AcquireOptions) -> Result<(), Error>,
            ) -> Self {
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
    /// How long to wait for the lock, from when the request is awaited: at most
    /// 24 hours. By default the request waits until the lock is granted. A wait of
    /// zero does not wait, like [`Client::try_lock`](crate::Client::try_lock).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// use std::time::Duration;
    ///
    /// match client.lock("orders/42").wait(Duration::from_secs(2)).await {
    ///     Ok(guard) => guard.release().await?,
    ///     Err(error) if error.is_timeout() => println!("held by {:?}", error.holders()),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(self, wait: Duration) -> Self {
        self.configure(|options| {
            let wait = Wait::try_from(wait)?;
            options.wait =
                if wait == Wait::default() { WaitPolicy::NoWait } else { WaitPolicy::AtMost(wait) };
            Ok(())
        })
    }

    /// Calls `callback` with the place in the queue, each time that its position changes: while
    /// another holds the lock, so never if the lock is free.
    ///
    /// The callback runs where the request is awaited, and must not block there. The server
    /// reports a place about once a second over the session, and every 20 s over HTTP. A
    /// position can grow: a waiter that was [away](crate#waiting) comes back behind others.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
    /// let request = client.lock("orders/42");
    /// let guard = request.on_queued(|place| println!("{} of {}", place.position, place.queue_len)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_queued(mut self, callback: impl FnMut(QueuePlace) + Send + 'static) -> Self {
        self.on_queued = Some(Box::new(callback));
        self
    }
}
