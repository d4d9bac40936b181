use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{LeaseId, Ttl};
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::acquire::{Order, acquire};
use super::adopt::adopt;
use super::release::Release;
use super::run;
use crate::clock::Moment;
use crate::detached::DetachedLease;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::held::{Farewell, Held};
use crate::transport::{News, Transport};

/// What the thread is asked to do.
pub(super) enum Command {
    /// Run this.
    Run(BoxFuture<'static, ()>),
    /// Run this for as long as the thread lives.
    Accompany(BoxFuture<'static, ()>),
    /// What the session tells unasked.
    News(News),
    /// Renew the lease of a new guard, and mind its deadline.
    Watch { held: Arc<Held>, socket: Option<u64> },
    /// Mind this guard no more.
    Forget(Arc<Held>),
    /// Mind this guard no more and release its lease.
    Release(Release),
    /// Renew now.
    Renew(Arc<Held>, Ask),
    /// Answer when all releases are sent; no lock is waited for any more.
    Flush { timeout: Duration, done: oneshot::Sender<Result<(), Error>> },
}

/// A renewal that somebody waits for.
pub(super) struct Ask {
    pub(super) ttl: Ttl,
    pub(super) done: oneshot::Sender<Result<(), Error>>,
}

/// The client's thread, which lives as long as there is a handle to it and for
/// the releases that are left after that.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    pub(crate) shared: Arc<Shared>,
}

/// What everything in the thread needs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) transport: Transport,
    /// The longest that one request takes.
    pub(crate) request_timeout: Duration,
    /// Cancelled by `close`.
    pub(crate) closing: CancellationToken,
}

impl Handle {
    /// Starts the thread.
    pub(crate) async fn start(transport: Transport, request_timeout: Duration) -> Result<Self, Error> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { transport, request_timeout, closing: CancellationToken::new() });
        let (started, start) = oneshot::channel();
        let failed = |why| Error::setup("the client's thread can't be started", why);
        std::thread::Builder::new()
            .name("dlm-client".into())
            .spawn({
                let (shared, news) = (Arc::clone(&shared), commands.downgrade());
                move || run::thread(&shared, inbox, &news, started)
            })
            .map_err(failed)?;
        start.await.map_err(|_| Error::closed())?.map_err(failed)?;
        Ok(Self { commands, shared })
    }

    /// Runs `work` in the thread and waits for what comes of it.
    pub(crate) async fn call<T, W>(&self, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Error>> + Send + 'static,
    {
        if self.shared.closing.is_cancelled() {
            return Err(Error::closed());
        }
        let (reply, answer) = oneshot::channel();
        self.run(async move {
            // Nobody reads it when the call was given up.
            let _ = reply.send(work.await);
        });
        answer.await.unwrap_or_else(|_| Err(Error::closed()))
    }

    /// Locks what is ordered. Dropping the future gives up the place.
    pub(crate) async fn acquire(&self, order: Order) -> Result<LockGuard, Error> {
        if self.shared.closing.is_cancelled() {
            return Err(Error::closed());
        }
        let (reply, answer) = oneshot::channel();
        self.run(acquire(self.clone(), order, reply));
        answer.await.unwrap_or_else(|_| Err(Error::closed()))
    }

    /// Runs `work` in the thread, without that anybody waits for its end.
    pub(crate) fn accompany(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.send(Command::Accompany(Box::pin(work.in_current_span())));
    }

    /// Runs `work` in the thread, in the caller's span.
    fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.send(Command::Run(Box::pin(work.in_current_span())));
    }

    /// Begins to renew the lease of a new guard.
    pub(crate) fn watch(&self, held: &Arc<Held>, socket: Option<u64>) {
        self.send(Command::Watch { held: Arc::clone(held), socket });
    }

    /// Renews a lease now, over failures, until its guard is lost.
    pub(crate) async fn renew(&self, held: &Arc<Held>, ttl: Ttl) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        self.send(Command::Renew(Arc::clone(held), Ask { ttl, done }));
        answer.await.unwrap_or_else(|_| Err(Error::closed()))
    }

    /// Renews a lease that has no guard, and makes one for it.
    pub(crate) async fn adopt(&self, lease: DetachedLease) -> Result<LockGuard, Error> {
        self.call(adopt(self.clone(), lease)).await
    }

    /// Ends a guard and has its lease released. Never blocks.
    pub(crate) fn give_back(&self, held: &Arc<Held>) {
        self.farewell(held, None);
    }

    /// Ends a guard, has its lease released and says how that went.
    pub(crate) async fn release(&self, held: &Arc<Held>) -> Result<(), Error> {
        if let Some(reason) = held.loss(Moment::now()) {
            self.farewell(held, None);
            return Err(Error::lost(&held.resource, reason));
        }
        let (done, answer) = oneshot::channel();
        self.farewell(held, Some(done));
        // Without an answer the guard was lost between the question and here.
        let lost =
            || held.loss(Moment::now()).map_or_else(Error::closed, |why| Error::lost(&held.resource, why));
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    fn farewell(&self, held: &Arc<Held>, done: Option<oneshot::Sender<Result<(), Error>>>) {
        // A guard that is lost is forgotten without a word.
        if let Farewell::Release(claims) = held.release(Moment::now()) {
            self.send(Command::Release(Release { held: Arc::clone(held), claims, done }));
        }
    }

    /// Ends a guard and leaves its lease.
    pub(crate) fn detach(&self, held: &Arc<Held>) -> LeaseId {
        held.detach(Moment::now());
        self.send(Command::Forget(Arc::clone(held)));
        held.lease_id.clone()
    }

    /// Ends all waiting for locks, and waits until all releases are sent.
    pub(crate) async fn flush(&self, timeout: Duration) -> Result<(), Error> {
        self.shared.closing.cancel();
        let (done, answer) = oneshot::channel();
        self.send(Command::Flush { timeout, done });
        // A thread that is gone has nothing left to send.
        answer.await.unwrap_or(Ok(()))
    }

    /// A thread that is gone takes its leases' renewals with it: their guards
    /// are lost by the clock, and the TTL frees them at the server.
    fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}
