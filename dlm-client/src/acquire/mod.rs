//! Acquiring a lock, from the first request to the guard.
//!
//! - `acquisition`: one lock, through all attempts to acquire it
//! - `attempt`: the state of the requests with one idempotency key
//! - `cancel`: gives up what the server may hold for an abandoned attempt
//! - `options`: what to acquire, and how long to wait

mod acquisition;
mod attempt;
mod cancel;
mod options;

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument, Span, warn};

use self::acquisition::Acquisition;
use self::cancel::cancel;
use crate::clock::{BootInstant, Clock};
use crate::error::Error;
use crate::guard::LockGuard;
use crate::place::{self, PlaceCallback, PlaceReceiver};
use crate::reentrancy::{CallerId, Scope};
use crate::reservation::Reservation;
use crate::transport::{Continuation, FirstReply, PendingReply, SessionResult};
use crate::worker::{Handle, WorkerCommand};

pub(crate) use options::{AcquireOptions, WaitPolicy};

impl Handle {
    /// Acquires a lock. Calls `on_queued` with each new place in the queue.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the place in the queue or the lease is given up.
    pub(crate) async fn acquire(
        &self,
        mut options: AcquireOptions,
        on_queued: Option<PlaceCallback>,
    ) -> Result<LockGuard, Error> {
        if self.context().closing.is_cancelled() {
            return Err(Error::closed());
        }
        self.check_reentrancy(&options)?;
        let places = on_queued.map(|callback| {
            let (sender, receiver) = place::channel();
            options.places = Some(sender);
            (receiver, callback)
        });
        let key_reservation = match &options.key {
            None => None,
            Some(key) => {
                let reserved = Reservation::key(self.context().transport.name(), &options.resource, key);
                Some(reserved.ok_or_else(|| Error::second_guard(&options.resource))?)
            }
        };
        let acquisition = Acquisition::new(self.clone(), options, key_reservation)?;
        let (reply, receiver) = oneshot::channel();
        let (span, pending) = (Span::current(), self.context().tasks.token());
        let waiting = |acquisition| SubmittedAcquire { acquisition, reply, span, _pending: pending };
        if let Err(acquire) = acquisition.submit(waiting) {
            acquire.go_on(None);
        }
        let mut caller = WaitingCaller { handle: self, receiver: Some(receiver) };
        let guard = match places {
            None => caller.result().await?,
            Some((places, callback)) => caller.result_with(places, callback).await?,
        };
        if let Some(caller) = CallerId::current() {
            guard.acquired_by(caller);
        }
        Ok(guard)
    }

    /// A request that its own caller has to end first waits for itself.
    fn check_reentrancy(&self, options: &AcquireOptions) -> Result<(), Error> {
        let (names, resource, mode) = (&self.context().held_names, &options.resource, options.request.mode);
        let held_in_scope = Scope::excludes(names, resource, mode);
        if held_in_scope && options.wait == WaitPolicy::NoWait {
            return Err(Error::reentrant(resource));
        }
        if held_in_scope {
            warn!(%resource, "lock requested inside `with_lock` on itself: it waits for its own caller");
        } else if CallerId::current().is_some_and(|caller| names.excludes(resource, mode, caller))
            && names.warn_once()
        {
            warn!(%resource, "lock requested by the task that acquired it before, and it was not released: \
                locks are not reentrant");
        }
        Ok(())
    }
}

/// A caller that waits for its lock.
struct WaitingCaller<'a> {
    handle: &'a Handle,
    /// `None` once there is a result.
    receiver: Option<oneshot::Receiver<Result<LockGuard, Error>>>,
}

impl WaitingCaller<'_> {
    async fn result(&mut self) -> Result<LockGuard, Error> {
        let result = match &mut self.receiver {
            Some(receiver) => receiver.await,
            None => return Err(Error::closed()),
        };
        self.receiver = None;
        result.unwrap_or_else(|_| Err(self.handle.gone()))
    }

    /// Like [`result`](Self::result), with each new place in the queue on the way.
    async fn result_with(
        &mut self,
        mut places: PlaceReceiver,
        mut callback: PlaceCallback,
    ) -> Result<LockGuard, Error> {
        let mut result = pin!(self.result());
        loop {
            match select(&mut result, pin!(places.next())).await {
                Either::Left((result, _)) => return result,
                Either::Right((place, _)) => callback(place),
            }
        }
    }
}

impl Drop for WaitingCaller<'_> {
    fn drop(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            // First, so that it is abandoned when it is looked at. A guard that has arrived is
            // dropped here.
            drop(receiver);
            self.handle.context().transport.notice_abandoned();
        }
    }
}

/// An acquire whose caller waits for the result. It gets a task only if there is more to do
/// than to wait for a moment.
struct SubmittedAcquire {
    acquisition: Acquisition,
    reply: oneshot::Sender<Result<LockGuard, Error>>,
    span: Span,
    _pending: TaskTrackerToken,
}

impl Continuation for SubmittedAcquire {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn complete(mut self: Box<Self>, result: SessionResult) {
        let is_abandoned = self.is_abandoned() || self.acquisition.handle().context().closing.is_cancelled();
        let result = match result {
            Ok(reply) if !is_abandoned => match self.acquisition.complete(reply) {
                Ok(result) => return send(self.reply, result),
                Err(reply) => Ok(reply),
            },
            result => result,
        };
        self.go_on(Some(FirstReply::Received(result)));
    }

    fn wait(self: Box<Self>, reply: PendingReply) {
        self.go_on(Some(FirstReply::Pending(reply)));
    }
}

impl SubmittedAcquire {
    /// Goes on in a task on the client thread.
    fn go_on(self, first: Option<FirstReply>) {
        let Self { acquisition, reply, span, _pending } = self;
        let handle = acquisition.handle().clone();
        let task = acquire(acquisition, first, reply).instrument(span);
        handle.send(WorkerCommand::Spawn(Box::pin(task)));
    }
}

/// Acquires a lock on the client thread. Gives up if the receiver of `reply` is
/// dropped.
async fn acquire(
    mut acquisition: Acquisition,
    first: Option<FirstReply>,
    mut reply: oneshot::Sender<Result<LockGuard, Error>>,
) {
    let context = Arc::clone(acquisition.handle().context());
    let deadline = acquisition.reply_deadline();
    let result = tokio::select! {
        biased;
        () = reply.closed() => None,
        () = context.closing.cancelled() => Some(Err(Error::closed())),
        result = acquisition.run(first) => Some(result),
        () = sleep_until(&context.clock, deadline) => Some(Err(acquisition.timed_out())),
    };
    let abandoned_key = acquisition.abandoned_key();
    if let Some(result) = result {
        send(reply, result);
    }
    if let Some(key) = abandoned_key {
        let AcquireOptions { resource, request, .. } = acquisition.options();
        cancel(&context, resource, &key, request.ttl_ms.into()).await;
    }
}

fn send(reply: oneshot::Sender<Result<LockGuard, Error>>, result: Result<LockGuard, Error>) {
    // If the caller has given up, the guard is dropped here, which releases it.
    drop(reply.send(result));
}

async fn sleep_until(clock: &Clock, deadline: Option<BootInstant>) {
    match deadline {
        Some(deadline) => clock.sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
