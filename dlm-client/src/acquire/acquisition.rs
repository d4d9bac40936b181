//! One lock, through all attempts to acquire it.

use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{AcquireRequest, IdempotencyKey, Lease, SessionBody, Wait};
use tracing::debug;
use uuid::Uuid;

use super::attempt::{Attempt, NextStep};
use super::options::{AcquireOptions, WaitPolicy};
use crate::clock::BootInstant;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::held_lease::HeldLease;
use crate::loss::LossReason;
use crate::request_error::RequestError;
use crate::reservation::Reservation;
use crate::retry::Backoff;
use crate::term::Term;
use crate::transport::{AcquireCall, Acquired, Answer, Continuation, FirstReply};
use crate::worker::{Handle, release_stillborn};

/// After a longer wait the two clocks may have drifted apart by more than the
/// margin allows, so the lease is renewed before it is handed out.
const LONG_WAIT: Duration = Duration::from_secs(60);
/// How long after the end of a wait the server's reply may still arrive. Until it
/// does, the request may be in the queue or granted.
const REPLY_GRACE: Duration = Duration::from_secs(1);

/// An acquire that ends within this time needs a task with a timer from the start.
const NEAR: Duration = Duration::from_millis(50);

pub(super) struct Acquisition {
    handle: Handle,
    options: AcquireOptions,
    key_reservation: Option<Reservation>,
    started_at: BootInstant,
    /// The attempt in progress.
    attempt: Attempt,
    /// The last transient error; cleared when the server replies that the request
    /// is queued.
    last_error: Option<RequestError>,
}

/// How an attempt ended without an error.
enum AttemptOutcome {
    Acquired(LockGuard),
    /// The lease or wait of the attempt's key has ended. A new attempt with a new
    /// key is needed.
    KeyEnded,
}

impl Acquisition {
    pub(super) fn new(
        handle: Handle,
        options: AcquireOptions,
        key_reservation: Option<Reservation>,
    ) -> Result<Self, Error> {
        let attempt = new_attempt(&options, options.wait.server_wait())?;
        let started_at = handle.now();
        Ok(Self { handle, options, key_reservation, started_at, attempt, last_error: None })
    }

    /// The end of the wait; `None` if the caller waits forever.
    fn deadline(&self) -> Option<BootInstant> {
        match self.options.wait {
            WaitPolicy::NoWait => Some(self.started_at + self.handle.context().request_timeout),
            WaitPolicy::AtMost(wait) => Some(self.started_at + Duration::from(wait)),
            WaitPolicy::Forever => None,
        }
    }

    /// When to give up, also without a reply from the server.
    pub(super) fn reply_deadline(&self) -> Option<BootInstant> {
        let grace = match self.options.wait {
            WaitPolicy::AtMost(_) => REPLY_GRACE.min(self.handle.context().request_timeout),
            WaitPolicy::NoWait | WaitPolicy::Forever => Duration::ZERO,
        };
        self.deadline().map(|deadline| deadline + grace)
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The resource, and what was asked of it.
    pub(super) fn options(&self) -> &AcquireOptions {
        &self.options
    }

    /// Submits the first request without a task, if the session is up and no deadline is
    /// near. Returns `None` in that case, and `waiting` otherwise.
    pub(super) fn submit<W: Continuation + 'static>(
        mut self,
        waiting: impl FnOnce(Self) -> W,
    ) -> Result<(), W> {
        let context = Arc::clone(self.handle.context());
        let deadline = self.reply_deadline();
        if deadline.is_some_and(|deadline| deadline <= context.now() + NEAR) {
            return Err(waiting(self));
        }
        match context.transport.prepare_acquire(&self.call()) {
            Some(prepared) => {
                self.attempt.start_request();
                prepared.submit(Box::new(waiting(self)));
                Ok(())
            }
            None => Err(waiting(self)),
        }
    }

    /// The guard of a grant that came soon. Gives the reply back if that takes more than
    /// to create the guard.
    pub(super) fn complete(
        &mut self,
        reply: Answer<SessionBody>,
    ) -> Result<Result<LockGuard, Error>, Answer<SessionBody>> {
        let now = self.handle.now();
        let Answer { body: SessionBody::Lease(lease), sent_at, socket } = reply else { return Err(reply) };
        let term = Term::new(sent_at, now, lease.elapsed_ms, lease.ttl_ms);
        if term.deadline() <= now || now.duration_since(self.started_at) > LONG_WAIT {
            return Err(Answer { body: SessionBody::Lease(lease), sent_at, socket });
        }
        self.attempt.granted();
        Ok(match Reservation::lease(&lease.lease_id) {
            Some(reservation) => Ok(self.new_guard(*lease, term, reservation, socket)),
            None => Err(Error::second_guard(&self.options.resource)),
        })
    }

    /// Makes attempts until the lock is acquired or an error is final. `first` is the
    /// reply to the first request, if it was submitted.
    pub(super) async fn run(&mut self, mut first: Option<FirstReply>) -> Result<LockGuard, Error> {
        let mut backoff = Backoff::new();
        loop {
            let outcome = self.run_attempt(first.take()).await?;
            match outcome {
                AttemptOutcome::Acquired(guard) => return Ok(guard),
                AttemptOutcome::KeyEnded => {
                    self.pause(backoff.next_delay()).await?;
                    self.attempt = new_attempt(&self.options, self.remaining_wait())?;
                }
            }
        }
    }

    /// Waits before the next request. Fails at the end of the wait: without a request
    /// on its way there is no reply to wait for.
    async fn pause(&mut self, delay: Duration) -> Result<(), Error> {
        let clock = &self.handle.context().clock;
        let next_request = clock.now() + delay;
        match self.deadline() {
            Some(deadline) if deadline <= next_request => {
                clock.sleep_until(deadline).await;
                Err(self.timed_out())
            }
            _ => {
                clock.sleep_until(next_request).await;
                Ok(())
            }
        }
    }

    /// The error to report when the deadline has passed.
    pub(super) fn timed_out(&mut self) -> Error {
        match (self.options.wait, self.last_error.take()) {
            (WaitPolicy::NoWait, Some(error)) => error.into(),
            // The server did not reply; the lock was not waited for.
            (WaitPolicy::NoWait, None) => {
                RequestError::TimedOut(self.handle.context().request_timeout).into()
            }
            (_, last_error) => Error::wait_timed_out(&self.options.resource, last_error),
        }
    }

    /// The key to cancel when the acquisition is over, because the server may hold
    /// a place in the queue or a lease under it.
    pub(super) fn abandoned_key(&self) -> Option<IdempotencyKey> {
        self.attempt.may_be_held().then(|| self.attempt.key().clone())
    }

    /// The request to send.
    fn call(&self) -> AcquireCall<'_> {
        let (key, request) = self.attempt.request();
        AcquireCall { resource: &self.options.resource, key, request, places: self.options.places.as_ref() }
    }

    /// Sends requests with one key until the attempt ends.
    async fn run_attempt(&mut self, mut first: Option<FirstReply>) -> Result<AttemptOutcome, Error> {
        let context = Arc::clone(self.handle.context());
        let (transport, timeout) = (&context.transport, context.request_timeout);
        loop {
            let requested_at = context.now();
            self.attempt.start_request();
            let reply = match first.take() {
                Some(first) => transport.resume_acquire(first, &self.call(), timeout).await,
                None => transport.acquire(&self.call(), timeout).await,
            };
            let resource = &self.options.resource;
            let error = match reply {
                Ok(Answer { body: Acquired::Granted(lease), sent_at, socket }) => {
                    self.attempt.granted();
                    return self.create_guard(*lease, sent_at, socket).await;
                }
                Ok(Answer { body: Acquired::Queued(queued), .. }) => {
                    debug!(%resource, position = queued.position, queue_len = queued.queue_len,
                        "acquire queued");
                    if let Some(places) = &self.options.places {
                        places.send(queued.position, queued.queue_len);
                    }
                    self.last_error = None;
                    let held_for = context.now().duration_since(requested_at);
                    let delay = self.attempt.queued(held_for);
                    context.clock.sleep(delay).await;
                    continue;
                }
                Err(error) => error,
            };
            match self.attempt.failed(&error, &self.options) {
                NextStep::Retry { delay } => {
                    self.last_error = Some(error);
                    self.pause(delay).await?;
                }
                NextStep::NewAttempt => return Ok(AttemptOutcome::KeyEnded),
                NextStep::Fail => return Err(error.into()),
            }
        }
    }

    /// Creates the guard of a grant, if the lease is still live.
    async fn create_guard(
        &mut self,
        lease: Lease,
        sent_at: BootInstant,
        socket: Option<u64>,
    ) -> Result<AttemptOutcome, Error> {
        let context = Arc::clone(self.handle.context());
        let received_at = context.now();
        let resource = &self.options.resource;
        let term = Term::new(sent_at, received_at, lease.elapsed_ms, lease.ttl_ms);
        let Some(lease_reservation) = Reservation::lease(&lease.lease_id) else {
            return Err(Error::second_guard(resource));
        };
        if term.deadline() <= received_at {
            release_stillborn(&context, &lease, term).await;
            drop(lease_reservation);
            return self.lost_before_handover(Error::lost(resource, LossReason::Deadline));
        }
        let guard = self.new_guard(lease, term, lease_reservation, socket);
        let live = if received_at.duration_since(self.started_at) > LONG_WAIT {
            guard.renew(self.options.request.ttl_ms.into()).await
        } else {
            guard.live_token().map(drop)
        };
        match live {
            Ok(()) => Ok(AttemptOutcome::Acquired(guard)),
            Err(error) if error.is_lost() => self.lost_before_handover(error),
            Err(error) => Err(error),
        }
    }

    fn new_guard(
        &mut self,
        lease: Lease,
        term: Term,
        lease_reservation: Reservation,
        socket: Option<u64>,
    ) -> LockGuard {
        let reservations = std::iter::once(lease_reservation).chain(self.key_reservation.take()).collect();
        let clock = self.handle.context().clock.clone();
        let lease = HeldLease::new(lease, term, self.options.auto_renew, reservations, clock);
        LockGuard::new(self.handle.clone(), Arc::new(lease), socket)
    }

    /// The lease ended before the caller saw it. A key that the caller chose cannot be
    /// replaced.
    fn lost_before_handover(&self, error: Error) -> Result<AttemptOutcome, Error> {
        if self.options.key.is_none() { Ok(AttemptOutcome::KeyEnded) } else { Err(error) }
    }

    /// What is left of the wait, for the next attempt.
    fn remaining_wait(&self) -> Wait {
        let wait = self.attempt.wait();
        match self.deadline() {
            Some(deadline) => {
                let remaining = deadline.duration_since(self.handle.now());
                Wait::try_from(remaining).unwrap_or(wait).min(wait)
            }
            None => wait,
        }
    }
}

fn new_attempt(options: &AcquireOptions, wait: Wait) -> Result<Attempt, Error> {
    let key = match &options.key {
        Some(key) => key.clone(),
        // Ordered by time, so that new keys are close together in the server's
        // index.
        None => IdempotencyKey::try_from(Uuid::now_v7().to_string())?,
    };
    Ok(Attempt::new(key, AcquireRequest { wait_ms: wait, ..options.request.clone() }))
}
