//! An acquire and its wait.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{Claim, ClaimKey, Micros, Op, Refusal, Reply, Request};
use dlm_protocol::limits::MAX_HOLD_MS;
use dlm_protocol::{AcquireRequest, EndReason, IdempotencyKey, Lease, Queued, ResourceName};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Error, Hold, Outcome, Principal, Service, not_enqueued, unavailable, wire};
use crate::clock::since_boot;
use crate::store::Name;
use crate::writer::{
    Caller, Completion, Execute, Leave, OperationError, OperationResult, RequestId, Writers,
};

impl Service {
    pub(super) async fn acquire(
        &self,
        principal: &Principal,
        resource: ResourceName,
        key: Option<IdempotencyKey>,
        request: AcquireRequest,
        hold: Hold,
    ) -> Result<Outcome, Error> {
        let arrived = since_boot();
        let can_return = key.is_some();
        let key = match key {
            Some(key) => key,
            None => IdempotencyKey::try_from(Uuid::now_v7().to_string()).map_err(|_| Error::Internal)?,
        };
        let claim = ClaimKey { principal: Arc::clone(principal.name()), key: key.to_shared() };
        let metadata = match request.metadata.is_empty() {
            true => Arc::from("{}"),
            false => serde_json::to_string(&request.metadata).map_err(|_| Error::Internal)?.into(),
        };
        let waits = request.wait_ms.as_millis() > 0;
        let request = Arc::new(Request {
            mode: wire::engine_mode(request.mode),
            ttl_ms: request.ttl_ms.as_millis(),
            wait_ms: request.wait_ms.as_millis(),
            owner: request.owner.as_str().into(),
            metadata,
        });
        let name = resource.to_shared();
        let (answer, mut answered) = oneshot::channel();
        let id = self.0.writers.next_request();
        let op = Op::Acquire { key: claim.clone(), request };
        let execute = Execute { name: Name::clone(&name), op, caller: Caller { request: id, reply: answer } };
        // Before the operation is handed in: it may be dropped right after.
        let mut place = Place {
            writers: &self.0.writers,
            name: &name,
            key: &claim,
            request: Some(id),
            can_return,
            held: waits,
        };
        if let Err(error) = self.0.writers.enqueue(execute) {
            place.disarm();
            return Err(not_enqueued(error));
        }
        let answer = if waits && hold == Hold::Briefly {
            let share = tokio::time::sleep(Duration::from_millis(MAX_HOLD_MS));
            tokio::select! {
                biased;
                answer = &mut answered => answer,
                () = async { tokio::select! { () = share => {}, () = self.0.draining.cancelled() => {} } } => {
                    // It is about to be told its key. If the wait ended
                    // meanwhile, that answer is on its way.
                    place.leave(true);
                    answered.await
                }
            }
        } else {
            answered.await
        };
        if matches!(&answer, Ok(OperationResult { outcome: Err(OperationError::Unavailable), .. })) {
            // It may be in the queue all the same.
            place.request = None;
        } else {
            place.disarm();
        }
        let answer = answer.map_err(|_| unavailable("the server is shutting down"))?;
        if matches!(answer.outcome, Ok(Completion::StillQueued)) {
            return self.still_queued(resource, claim.clone(), key).await;
        }
        let held = since_boot().saturating_sub(arrived);
        match reply(answer.outcome, answer.first_now)? {
            Reply::Lease(claim) => {
                let lease = self.lease(&resource, &claim, answer.first_now, held)?;
                Ok(Outcome::Lease(Box::new(lease)))
            }
            reply => Err(unexpected(&reply)),
        }
    }

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
        wire::lease(resource, claim, &self.0.ids, elapsed_ms.min(held_ms))
    }

    async fn still_queued(
        &self,
        resource: ResourceName,
        claim: ClaimKey,
        key: IdempotencyKey,
    ) -> Result<Outcome, Error> {
        let name = resource.to_shared();
        let position = self.read(move |reader| reader.queue_position(&name, &claim)).await?;
        let Outcome::Status(status) = self.status(resource).await? else { return Err(Error::Internal) };
        Ok(Outcome::Queued(Queued {
            // One whose wait ended since is told so when it asks again.
            position: position.unwrap_or(1),
            queue_len: status.queue_len,
            holders: status.holders,
            idempotency_key: key,
        }))
    }
}

/// A place in the queue as long as a request is held open for it. Dropped, the
/// caller hung up.
struct Place<'a> {
    writers: &'a Writers,
    name: &'a Name,
    key: &'a ClaimKey,
    /// `None` once it was answered without its place being known.
    request: Option<RequestId>,
    can_return: bool,
    held: bool,
}

impl Place<'_> {
    /// The request was answered: there is nothing to leave.
    fn disarm(&mut self) {
        self.held = false;
    }

    fn leave(&self, can_return: bool) {
        let (name, key) = (Name::clone(self.name), self.key.clone());
        let leave = Leave { name, key, request: self.request, can_return };
        if self.writers.leave(leave).is_err() {
            tracing::debug!("a waiter left after the writer had stopped");
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.held {
            self.leave(self.can_return);
        }
    }
}

/// What the engine did, or why not, in the terms of the service.
pub(super) fn reply(outcome: Result<Completion, OperationError>, now: Micros) -> Result<Reply, Error> {
    match outcome {
        Ok(Completion::Reply(reply)) => Ok(reply),
        Ok(Completion::StillQueued) => Err(Error::Internal),
        Err(OperationError::Unavailable) => Err(unavailable("the database is not available")),
        Err(OperationError::Internal) => Err(Error::Internal),
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
        // A wait that ran out never was a lease.
        Some(Ended::TimedOut) | None => EndReason::Unknown,
    }
}

/// The engine answered what this operation can't be answered.
pub(super) fn unexpected(reply: &Reply) -> Error {
    tracing::error!(kind = ?std::mem::discriminant(reply), "the engine gave an answer of another operation");
    Error::Internal
}
