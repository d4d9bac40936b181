//! Lock requests: how a lock is asked for.
//!
//! - `refinements`: what a request asks for

mod refinements;

use std::future::{IntoFuture, poll_fn};
use std::pin::{Pin, pin};

use futures_util::future::{Either, select};
use tracing::{Instrument, Span, debug_span, field};

use crate::acquire::WaitPolicy;
use crate::defaults::LockDefaults;
use crate::draft::RequestDraft;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::outcome;
use crate::place::PlaceCallback;
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
/// A waiter whose connection is broken keeps its place for ten seconds, and is passed over
/// meanwhile. If the client can't reach a server within this time, it joins the queue again, at its
/// end.
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
/// - [`is_reentrant`](Error::is_reentrant): the wait is zero, and the request is made inside
///   [`with_lock`](crate::Client::with_lock) on the same name.
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
    on_queued: Option<PlaceCallback>,
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

impl LockRequest {
    pub(crate) fn new(handle: Handle, defaults: &LockDefaults, name: &str) -> Self {
        Self { draft: RequestDraft::new(handle, defaults, name, WaitPolicy::Forever), on_queued: None }
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
        let span = debug_span!("with_lock", resource = self.draft.name(), outcome = field::Empty);
        outcome::record(span, "completed", self.run(work)).await
    }

    async fn run<T>(self, work: impl AsyncFnOnce(&LockGuard) -> T) -> Result<T, Error> {
        let guard = self.await?;
        let scope = guard.scope();
        let result = {
            let mut work = pin!(work(&guard));
            let work = poll_fn(|cx| {
                let _entered = scope.enter();
                work.as_mut().poll(cx)
            });
            match select(guard.lost(), work).await {
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

/// The span of a request. Its last fields are recorded when it ends.
fn request_span(draft: &RequestDraft, waits: bool) -> Span {
    let (resource, mode) = (draft.name(), draft.mode());
    if waits {
        debug_span!(
            "lock",
            resource,
            ?mode,
            fencing_token = field::Empty,
            waited_ms = field::Empty,
            outcome = field::Empty
        )
    } else {
        debug_span!(
            "try_lock",
            resource,
            ?mode,
            fencing_token = field::Empty,
            waited_ms = field::Empty,
            outcome = field::Empty
        )
    }
}

impl IntoFuture for LockRequest {
    type Output = Result<LockGuard, Error>;
    type IntoFuture = BoxedRequest<LockGuard>;

    fn into_future(self) -> Self::IntoFuture {
        let span = request_span(&self.draft, true);
        Box::pin(self.draft.send(self.on_queued, span.clone()).instrument(span))
    }
}

impl IntoFuture for TryLockRequest {
    type Output = Result<Option<LockGuard>, Error>;
    type IntoFuture = BoxedRequest<Option<LockGuard>>;

    fn into_future(self) -> Self::IntoFuture {
        let span = request_span(&self.draft, false);
        let send = self.draft.send(None, span.clone());
        let request = async {
            match send.await {
                Ok(guard) => Ok(Some(guard)),
                Err(error) if error.is_held() => Ok(None),
                Err(error) => Err(error),
            }
        };
        Box::pin(request.instrument(span))
    }
}
