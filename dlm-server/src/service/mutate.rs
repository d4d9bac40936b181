//! The operations that a writer answers without a wait.

use std::time::Duration;

use dlm_engine::{CancelOutcome, Op, Reply};
use dlm_protocol::{
    Cancelled, Checked, FencingToken, ForceReleaseRequest, ForceReleased, IdempotencyKey, Lease, LeaseId,
    ReleaseRequest, RenewItem, ResourceName, Ttl,
};
use tokio::sync::oneshot;

use super::access::OnResource;
use super::acquire::{reply, unexpected};
use super::{Error, Outcome, Service, wire};
use crate::auth::{Principal, Role};
use crate::clock::since_boot;
use crate::writer::{OperationResult, ReplyTo};

impl Service {
    pub(super) async fn cancel(&self, on: &OnResource, key: &IdempotencyKey) -> Result<Outcome, Error> {
        let key = on.claim(key);
        match self.execute_op(on, Op::Cancel { key }).await? {
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
        on: &OnResource,
        id: &LeaseId,
        ttl: Option<Ttl>,
    ) -> Result<Lease, Error> {
        let renewed = self.start_renewal(on, id, ttl).await;
        self.renewed(on.resource(), renewed)
    }

    /// Enqueues a renewal at once; the future waits for its result, and how long
    /// that took.
    fn start_renewal(
        &self,
        on: &OnResource,
        id: &LeaseId,
        ttl: Option<Ttl>,
    ) -> impl Future<Output = Result<(OperationResult, Duration), Error>> + use<> {
        let arrived = since_boot();
        let executing = on.lease(&self.0.ids, id).and_then(|lease| {
            let ttl_ms = ttl.map(Ttl::as_millis);
            on.check_ttl(ttl_ms.unwrap_or_default())?;
            Ok(on.execute(Op::Renew { key: lease.key, token: lease.token, ttl_ms }, self.1.session))
        });
        async move {
            let result = executing?.await?;
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

    /// Decides for each lease whether the principal may renew it.
    pub(super) async fn renew_many(
        &self,
        principal: &Principal,
        role: Role,
        leases: Vec<RenewItem>,
    ) -> Result<Outcome, Error> {
        // Enqueue all of them before waiting for the first result.
        let renewals: Vec<_> = leases
            .iter()
            .map(|item| {
                let on = self.0.access.on_resource(principal, role, item.resource.clone());
                on.map(|on| self.start_renewal(&on, &item.lease_id, item.ttl_ms))
            })
            .collect();
        let mut results = Vec::with_capacity(renewals.len());
        for renewal in renewals {
            results.push(match renewal {
                Ok(renewal) => renewal.await,
                Err(error) => Err(error),
            });
        }
        // Leases in wire terms only once all are there: a lease with its metadata is
        // large, and many renewals may be in progress.
        let renewed = leases.iter().zip(results).map(|(item, result)| {
            let renewed = self.renewed(&item.resource, result);
            renewed.inspect_err(|error| self.record_denied(principal, "renew", Some(&item.resource), error))
        });
        Ok(Outcome::Renewed(renewed.collect()))
    }

    pub(super) async fn release(&self, on: OnResource, request: &ReleaseRequest) -> Result<Outcome, Error> {
        let (reply, mut result) = oneshot::channel();
        let started = self.start_release(on, request, ReplyTo::Future(reply))?;
        started.finish(started.answer(&mut result).await)
    }

    pub(super) async fn force_release(
        &self,
        on: &OnResource,
        request: ForceReleaseRequest,
    ) -> Result<Outcome, Error> {
        let recorded = self.record_force_release(on, &request).await?;
        let released = self.end_lease(on, request).await;
        recorded.ended(released.as_ref().err());
        released
    }

    async fn end_lease(&self, on: &OnResource, request: ForceReleaseRequest) -> Result<Outcome, Error> {
        let op = Op::ForceRelease {
            token: request.fencing_token.get(),
            reason: request.reason.as_str().into(),
            by: on.principal_name(),
        };
        match self.execute_op(on, op).await? {
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

    pub(super) async fn check(&self, on: &OnResource, token: FencingToken) -> Result<Outcome, Error> {
        let answer = on.execute(Op::Check { token: token.get() }, self.1.session).await?;
        match reply(answer.outcome, answer.first_now)? {
            Reply::Checked { live, current_token } => {
                if live.is_some() {
                    self.0.checks.checked(on.name(), token.get(), answer.first_now);
                }
                Ok(Outcome::Checked(Checked {
                    live: live.is_some(),
                    mode: live.map(wire::mode),
                    current_token: FencingToken::new(current_token),
                }))
            }
            reply => Err(unexpected(&reply)),
        }
    }

    async fn execute_op(&self, on: &OnResource, op: Op) -> Result<Reply, Error> {
        let answer = on.execute(op, self.1.session).await?;
        reply(answer.outcome, answer.first_now)
    }
}

/// The same error for a request that named a lease id.
pub(super) fn by_lease(error: Error) -> Error {
    match error {
        Error::LeaseEnded { reason, .. } => Error::LeaseEnded { reason, by_key: false },
        error => error,
    }
}
