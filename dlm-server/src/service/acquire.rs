//! An acquire and its wait.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{Claim, ClaimKey, KnowsKey, Micros, Op, Refusal, Reply, Request};
use dlm_protocol::limits::MAX_HOLD_MS;
use dlm_protocol::{AcquireRequest, EndReason, IdempotencyKey, Lease, Queued, ResourceName};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::access::OnResource;
use super::{Error, Outcome, Service, overloaded, unavailable, wire};
use crate::auth::Principal;
use crate::clock::since_boot;
use crate::release_requests::pending_release;
use crate::store::Name;
use crate::writer::{
    Admission, Caller, Completion, EnqueueError, Leave, OperationError, OperationResult, ReplyTo, RequestId,
    Unexecuted,
};

impl Service {
    /// Acquires a lock. A waiter is held for at most [`MAX_HOLD_MS`], and no longer once `until` is
    /// cancelled.
    pub(super) async fn acquire(
        &self,
        on: OnResource,
        key: Option<IdempotencyKey>,
        request: &AcquireRequest,
        until: &CancellationToken,
    ) -> Result<Outcome, Error> {
        let (reply, mut result) = oneshot::channel();
        let mut started = self.start_acquire(on, key, request, ReplyTo::Future(reply))?;
        let held = async {
            if !started.waits {
                return std::future::pending().await;
            }
            tokio::select! {
                // If it was not executed in this time, the server is overloaded.
                () = tokio::time::sleep(Duration::from_millis(MAX_HOLD_MS)) => Unexecuted::Withdraw,
                () = self.0.draining.cancelled() => Unexecuted::Execute,
                () = until.cancelled() => Unexecuted::Execute,
            }
        };
        let answer = tokio::select! {
            biased;
            answer = started.answer(&mut result) => answer,
            unexecuted = held => {
                // The caller can return: the reply will tell it the key. If
                // the wait has ended meanwhile, its result is in flight.
                if !started.guard.leave(KnowsKey::Yes, unexecuted) {
                    // There is no writer any more that could answer.
                    return Err(unavailable("the server is shutting down"));
                }
                started.guard.on.answer(&mut result, since_boot(), || None).await
            }
        };
        match started.finish(answer)? {
            Acquired::Lease(lease) => Ok(Outcome::Lease(lease)),
            Acquired::StillQueued(claim) => self.still_queued(&started.guard.on, claim).await,
        }
    }

    /// Enqueues an acquire.
    pub(super) fn start_acquire(
        &self,
        on: OnResource,
        key: Option<IdempotencyKey>,
        request: &AcquireRequest,
        reply: ReplyTo,
    ) -> Result<StartedAcquire, Error> {
        let arrived = since_boot();
        on.check_ttl(request.ttl_ms.as_millis())?;
        on.check_wait(request.wait_ms.as_millis())?;
        let knows_key = if key.is_some() { KnowsKey::Yes } else { KnowsKey::No };
        let key = match key {
            Some(key) => key,
            None => IdempotencyKey::try_from(Uuid::now_v7().to_string()).map_err(|_| Error::Internal)?,
        };
        let claim = on.claim(&key);
        let waits = request.wait_ms.as_millis() > 0;
        let (admission, exceeded) = match on.admit_acquire(waits) {
            Ok(in_flight) => (Admission::Admitted { _in_flight: in_flight }, None),
            // A new key is not known.
            Err(error) if knows_key == KnowsKey::No => return Err(on.quota_refused(error)),
            Err(error) => (Admission::IfKeyIsKnown, Some(Box::new(error))),
        };
        let metadata = match request.metadata.is_empty() {
            true => Arc::from("{}"),
            false => serde_json::to_string(&request.metadata).map_err(|_| Error::Internal)?.into(),
        };
        let wait_ms = request.wait_ms.as_millis();
        let request = Arc::new(Request {
            mode: wire::engine_mode(request.mode),
            ttl_ms: request.ttl_ms.as_millis(),
            wait_ms,
            owner: request.owner.as_str().into(),
            metadata,
        });
        let id = on.next_request();
        on.enqueue(
            Op::Acquire { key: claim.clone(), request },
            self.1.session,
            admission,
            Caller { request: id, reply },
        )?;
        let tracked = waits || knows_key == KnowsKey::No;
        let state = if tracked { QueueState::Queued } else { QueueState::Absent };
        let guard = QueueGuard { on, claim, request: id, knows_key, state };
        // No request sets a later deadline than its own.
        let wait_ends = arrived + Duration::from_millis(wait_ms);
        Ok(StartedAcquire { service: self.clone(), arrived, waits, wait_ends, exceeded, guard })
    }

    /// A live claim as the lease of its holder. `first_now` is the deciding clock
    /// in the first transaction of the request, `held` how long the request was
    /// held open.
    pub(super) fn lease(
        &self,
        resource: &ResourceName,
        claim: &Claim,
        first_now: Micros,
        held: Duration,
    ) -> Result<Lease, Error> {
        let term_at = claim.lease().map_or(first_now, |lease| lease.term_at);
        let elapsed_ms = (term_at.0 - first_now.0).div_euclid(1000);
        let held_ms = i64::try_from(held.as_millis()).unwrap_or(i64::MAX);
        let mut lease = wire::lease(resource, claim, &self.0.ids, elapsed_ms.min(held_ms))?;
        let request = self.0.release_requests.of(resource.as_str(), lease.fencing_token.get());
        lease.release_requested = request.map(|request| Box::new(pending_release(&request)));
        Ok(lease)
    }

    /// Removes a waiter whose caller is gone and probably did not receive its
    /// key.
    pub(crate) fn abandon(&self, principal: &Principal, resource: &ResourceName, key: &IdempotencyKey) {
        let left = self.0.access.system().leave(Leave {
            sender: Arc::clone(principal.name()),
            name: resource.to_shared(),
            key: ClaimKey { principal: Arc::clone(principal.name()), key: key.to_shared() },
            request: None,
            knows_key: KnowsKey::Unsure,
            unexecuted: Unexecuted::Withdraw,
        });
        if left.is_err() {
            tracing::debug!("{NOT_REMOVED}");
        }
    }

    async fn still_queued(&self, on: &OnResource, claim: ClaimKey) -> Result<Outcome, Error> {
        let key = IdempotencyKey::try_from(claim.key.to_string()).map_err(|_| Error::Internal)?;
        let name = Name::clone(on.name());
        let reads = on.reads().permit_to_finish().await?;
        let position = reads.read(move |reader| reader.queue_position(&name, &claim)).await?;
        let Outcome::Status(status) = self.status(on, &reads).await? else {
            return Err(Error::Internal);
        };
        Ok(Outcome::Queued(Queued {
            // `None` when the wait has ended since. The next request with this
            // key returns its result.
            position: position.unwrap_or(1),
            queue_len: status.queue_len,
            holders: status.holders,
            idempotency_key: key,
        }))
    }
}

const NOT_REMOVED: &str = "waiter not removed: the writer has stopped";

/// An acquire that was handed to a writer. If it is dropped before it has finished, its caller
/// has hung up, and it leaves the queue.
pub(crate) struct StartedAcquire {
    service: Service,
    arrived: Duration,
    /// Whether it waits for the lock.
    waits: bool,
    wait_ends: Duration,
    /// The quota that is used up. The acquire is executed only if its key is known.
    exceeded: Option<Box<Error>>,
    guard: QueueGuard,
}

/// How an acquire finished.
pub(super) enum Acquired {
    Lease(Box<Lease>),
    /// The claim waits on.
    StillQueued(ClaimKey),
}

impl StartedAcquire {
    /// When it was enqueued, since boot.
    pub(super) fn arrived(&self) -> Duration {
        self.arrived
    }

    /// Waits for the result, as long as the writer responds.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no result is lost.
    pub(super) async fn answer(
        &self,
        result: &mut oneshot::Receiver<OperationResult>,
    ) -> Result<OperationResult, EnqueueError> {
        let QueueGuard { on, claim, request, .. } = &self.guard;
        let parked_until = || on.is_parked(claim, *request).then_some(self.wait_ends);
        on.answer(result, self.arrived, parked_until).await
    }

    /// Converts the result.
    pub(super) fn finish(
        &mut self,
        answer: Result<OperationResult, EnqueueError>,
    ) -> Result<Acquired, Error> {
        self.guard.answered(&answer);
        let answer = answer?;
        let on = &self.guard.on;
        if matches!(answer.outcome, Err(OperationError::QuotaExceeded)) {
            return Err(on.quota_refused(self.exceeded.take().map_or(Error::Internal, |error| *error)));
        }
        if let Ok(Completion::StillQueued(claim)) = answer.outcome {
            return Ok(Acquired::StillQueued(claim));
        }
        let held = since_boot().saturating_sub(self.arrived);
        match reply(answer.outcome, answer.first_now)? {
            Reply::Lease(claim) => {
                let lease = self.service.lease(on.resource(), &claim, answer.first_now, held)?;
                self.service.record_grant(on, &lease);
                Ok(Acquired::Lease(Box::new(lease)))
            }
            reply => Err(unexpected(&reply)),
        }
    }
}

/// Leaves the queue when the acquire is dropped: its caller hung up. If the caller does not know
/// the key, a lease that was granted meanwhile is released: nobody else could release it.
struct QueueGuard {
    on: OnResource,
    claim: ClaimKey,
    request: RequestId,
    /// Whether the caller knows the key, so that the waiter becomes away instead
    /// of leaving for good, and a lease is kept.
    knows_key: KnowsKey,
    state: QueueState,
}

/// What is known about the waiter of a request.
#[derive(Debug, Clone, Copy)]
enum QueueState {
    /// The request has neither a waiter nor a lease that its caller does not know.
    Absent,
    /// The request is enqueued, and may be parked.
    Queued,
    /// The database was unavailable. The claim may be in the queue, but the
    /// request is no longer parked.
    Unknown,
}

impl QueueGuard {
    fn answered(&mut self, answer: &Result<OperationResult, EnqueueError>) {
        self.state = match (self.state, answer) {
            // The request may still be executed.
            (state, Err(EnqueueError::NoAnswer)) => state,
            (
                QueueState::Queued,
                Ok(OperationResult { outcome: Err(OperationError::Unavailable(_)), .. }),
            ) => QueueState::Unknown,
            _ => QueueState::Absent,
        };
    }

    /// Returns whether the writer will learn of it.
    fn leave(&self, knows_key: KnowsKey, unexecuted: Unexecuted) -> bool {
        let request = match self.state {
            QueueState::Absent => return true,
            QueueState::Queued => Some(self.request),
            QueueState::Unknown => None,
        };
        let left = self.on.leave(self.claim.clone(), request, knows_key, unexecuted);
        if left.is_err() {
            tracing::debug!("{NOT_REMOVED}");
        }
        left.is_ok()
    }
}

impl Drop for QueueGuard {
    fn drop(&mut self) {
        self.leave(self.knows_key, Unexecuted::Withdraw);
    }
}

/// Converts the outcome of an operation, and a refusal into its error.
pub(super) fn reply(outcome: Result<Completion, OperationError>, now: Micros) -> Result<Reply, Error> {
    match outcome {
        Ok(Completion::Reply(reply)) => Ok(reply),
        Ok(Completion::StillQueued(_)) => Err(Error::Internal),
        Err(OperationError::Unavailable(why)) => Err(unavailable(why)),
        Err(OperationError::Overloaded) => Err(overloaded()),
        Err(OperationError::Internal | OperationError::QuotaExceeded) => Err(Error::Internal),
        Err(OperationError::Refused(refusal)) => Err(match refusal {
            Refusal::Held(snapshot) => {
                let (holders, retry_after_ms) = wire::refused(&snapshot, now)?;
                Error::LockHeld { holders, queue_len: snapshot.queue_len, retry_after_ms }
            }
            Refusal::TimedOut(snapshot) => {
                let (holders, retry_after_ms) = wire::refused(&snapshot, now)?;
                Error::WaitTimeout { holders, queue_len: snapshot.queue_len, retry_after_ms }
            }
            Refusal::Ended(reason) => Error::LeaseEnded { reason: end_reason(reason), by_key: true },
            Refusal::KeyReused => Error::KeyReused,
            Refusal::HolderChanged(snapshot) => {
                Error::HolderChanged { holders: wire::refused(&snapshot, now)?.0 }
            }
        }),
    }
}

fn end_reason(reason: Option<dlm_engine::EndReason>) -> EndReason {
    use dlm_engine::EndReason as Ended;
    match reason {
        Some(Ended::Released) => EndReason::Released,
        Some(Ended::Expired) => EndReason::Expired,
        Some(Ended::ForceReleased) => EndReason::ForceReleased,
        Some(Ended::Cancelled) => EndReason::Cancelled,
        Some(Ended::Away) => EndReason::Away,
        // A wait that timed out never was a lease.
        Some(Ended::TimedOut) | None => EndReason::Unknown,
    }
}

/// The engine replied to another operation than the one it was given.
pub(super) fn unexpected(reply: &Reply) -> Error {
    tracing::error!(kind = ?std::mem::discriminant(reply), "unexpected reply of the engine");
    Error::Internal
}
