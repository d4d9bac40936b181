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

use std::sync::Arc;

use tokio::sync::oneshot;

use self::acquisition::Acquisition;
use self::cancel::cancel;
use crate::clock::{BootInstant, Clock};
use crate::error::Error;
use crate::guard::LockGuard;
use crate::reservation::Reservation;
use crate::worker::Handle;

pub(crate) use options::{AcquireOptions, WaitPolicy};

impl Handle {
    /// Acquires a lock.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the place in the queue or the lease is given up.
    pub(crate) async fn acquire(&self, options: AcquireOptions) -> Result<LockGuard, Error> {
        self.call_with(|reply| acquire(self.clone(), options, reply)).await
    }
}

/// Acquires a lock on the client thread. Gives up if the receiver of `reply` is
/// dropped.
async fn acquire(
    handle: Handle,
    options: AcquireOptions,
    mut reply: oneshot::Sender<Result<LockGuard, Error>>,
) {
    let context = Arc::clone(handle.context());
    let key_reservation = match &options.key {
        None => None,
        Some(key) => match Reservation::key(context.transport.name(), &options.resource, key) {
            Some(reservation) => Some(reservation),
            None => return send(reply, Err(Error::second_guard(&options.resource))),
        },
    };
    let mut acquisition = match Acquisition::new(handle, &options, key_reservation) {
        Ok(acquisition) => acquisition,
        Err(error) => return send(reply, Err(error)),
    };
    let deadline = acquisition.reply_deadline();
    let result = tokio::select! {
        biased;
        () = reply.closed() => None,
        () = context.closing.cancelled() => Some(Err(Error::closed())),
        result = acquisition.run() => Some(result),
        () = sleep_until(&context.clock, deadline) => Some(Err(acquisition.timed_out())),
    };
    let abandoned_key = acquisition.abandoned_key();
    if let Some(result) = result {
        send(reply, result);
    }
    if let Some(key) = abandoned_key {
        cancel(&context, &options.resource, &key, options.request.ttl_ms.into()).await;
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
