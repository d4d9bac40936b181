//! The operations that a writer answers without a wait.

use std::time::Duration;

use dlm_engine::{CancelOutcome, ClaimKey, Op, Reply};
use dlm_protocol::{
    Cancelled, Checked, FencingToken, ForceReleaseRequest, ForceReleased, IdempotencyKey, Lease, LeaseId,
    Released, RenewItem, ResourceName, Ttl,
};

use super::acquire::{reply, unexpected};
use super::{Error, Outcome, Principal, Service, wire};
use crate::clock::since_boot;
use crate::writer::OperationResult;

impl Service {
    pub(super) async fn cancel(
        &self,
        principal: &Principal,
        resource: &ResourceName,
        key: &IdempotencyKey,
    ) -> Result<Outcome, Error> {
        let key = ClaimKey { principal: principal.name().clone(), key: key.to_shared() };
        match self.execute_op(resource, Op::Cancel { key }).await? {
            Reply::Cancelled(outcome) => Ok(Outcome::Cancelled(Cancelled {
                outcome: match outcome {
                    CancelOutcome::Cancelled => dlm_protocol::CancelOutcome::Cancelled,
                    CancelOutcome::Released => dlm_protocol::CancelOutcome::Released,
                    CancelOutcome::None => dlm_protocol::CancelOutcome::None,
                },
            })),
            reply => Err(unexpected(&reply)),
        }
    }

    pub(super) async fn renew(
        &self,
        resource: &ResourceName,
        id: &LeaseId,
        ttl: Option<Ttl>,
    ) -> Result<Lease, Error> {
        let renewed = self.start_renewal(resource, id, ttl).await;
        self.renewed(resource, renewed)
    }

    /// Enqueues a renewal at once; the future waits for its result, and how long
    /// that took.
    fn start_renewal(
        &self,
        resource: &ResourceName,
        id: &LeaseId,
        ttl: Option<Ttl>,
    ) -> impl Future<Output = Result<(OperationResult, Duration), Error>> + use<> {
        let arrived = since_boot();
        let executing = self.0.ids.decode(resource.as_str(), id).map(|lease| {
            let op = Op::Renew { key: lease.key, token: lease.token, ttl_ms: ttl.map(Ttl::as_millis) };
            self.execute(resource.to_shared(), op)
        });
        async move {
            let result = executing.ok_or(Error::NotHolder)?.await?;
            Ok((result, since_boot().saturating_sub(arrived)))
        }
    }

    fn renewed(
        &self,
        resource: &ResourceName,
        renewed: Result<(OperationResult, Duration), Error>,
    ) -> Result<Lease, Error> {
        let (result, held) = renewed?;
        match reply(result.outcome, result.first_now).map_err(by_lease)? {
            Reply::Lease(claim) => self.lease(resource, &claim, result.first_now, held),
            reply => Err(unexpected(&reply)),
        }
    }

    pub(super) async fn renew_many(&self, leases: Vec<RenewItem>) -> Result<Outcome, Error> {
        // Enqueue all of them before waiting for the first result.
        let renewals: Vec<_> = leases
            .iter()
            .map(|item| self.start_renewal(&item.resource, &item.lease_id, item.ttl_ms))
            .collect();
        let mut results = Vec::with_capacity(renewals.len());
        for renewal in renewals {
            results.push(renewal.await);
        }
        // Leases in wire terms only once all are there: a lease with its metadata is
        // large, and many renewals may be in progress.
        let results = leases.iter().zip(results);
        Ok(Outcome::Renewed(results.map(|(item, result)| self.renewed(&item.resource, result)).collect()))
    }

    pub(super) async fn release(&self, resource: &ResourceName, id: &LeaseId) -> Result<Outcome, Error> {
        let lease = self.0.ids.decode(resource.as_str(), id).ok_or(Error::NotHolder)?;
        let op = Op::Release { key: lease.key, token: lease.token };
        match self.execute_op(resource, op).await.map_err(by_lease)? {
            Reply::Released(token) => {
                Ok(Outcome::Released(Released { released: true, fencing_token: FencingToken::new(token) }))
            }
            reply => Err(unexpected(&reply)),
        }
    }

    pub(super) async fn force_release(
        &self,
        resource: &ResourceName,
        request: ForceReleaseRequest,
    ) -> Result<Outcome, Error> {
        let op =
            Op::ForceRelease { token: request.fencing_token.get(), reason: request.reason.as_str().into() };
        match self.execute_op(resource, op).await? {
            Reply::ForceReleased(claim) => {
                let dlm_engine::Phase::Ended(ended) = &claim.phase else { return Err(Error::Internal) };
                Ok(Outcome::ForceReleased(ForceReleased {
                    released: wire::holder(&claim)?,
                    current_token: FencingToken::new(ended.current_token),
                }))
            }
            reply => Err(unexpected(&reply)),
        }
    }

    pub(super) async fn check(&self, resource: &ResourceName, token: FencingToken) -> Result<Outcome, Error> {
        match self.execute_op(resource, Op::Check { token: token.get() }).await? {
            Reply::Checked { live, current_token } => Ok(Outcome::Checked(Checked {
                live: live.is_some(),
                mode: live.map(wire::mode),
                current_token: FencingToken::new(current_token),
            })),
            reply => Err(unexpected(&reply)),
        }
    }

    async fn execute_op(&self, resource: &ResourceName, op: Op) -> Result<Reply, Error> {
        let answer = self.execute(resource.to_shared(), op).await?;
        reply(answer.outcome, answer.first_now)
    }
}

/// The same error for a request that named a lease id.
fn by_lease(error: Error) -> Error {
    match error {
        Error::LeaseEnded { reason, .. } => Error::LeaseEnded { reason, by_key: false },
        error => error,
    }
}
