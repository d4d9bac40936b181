//! The right of a principal to a role on one resource.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{ClaimKey, KnowsKey, Op};
use dlm_protocol::{FencingToken, IdempotencyKey, LeaseId, ResourceName};
use tokio::sync::oneshot;

use super::Access;
use crate::auth::{Principal, Rule};
use crate::service::Error;
use crate::service::lease_id::{DecodedLeaseId, LeaseIds};
use crate::service::reads::Reads;
use crate::store::Name;
use crate::usage::InFlight;
use crate::writer::{
    Admission, Caller, EnqueueError, Execute, Leave, OperationResult, RequestId, SessionId, Unexecuted,
};

/// The right of a principal to a role on one resource.
pub(in crate::service) struct OnResource {
    pub(super) access: Arc<Access>,
    pub(super) principal: Principal,
    pub(super) resource: ResourceName,
    pub(super) name: Name,
    /// The rule that gives the right.
    pub(super) rule: Arc<Rule>,
    /// Whether there is no authentication.
    pub(super) open: bool,
}

impl OnResource {
    pub(in crate::service) fn resource(&self) -> &ResourceName {
        &self.resource
    }

    pub(in crate::service) fn name(&self) -> &Name {
        &self.name
    }

    pub(in crate::service) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The name of the principal; `None` for the anonymous one.
    pub(in crate::service) fn principal_name(&self) -> Option<Arc<str>> {
        let name = self.principal.name();
        (!name.is_empty()).then(|| Arc::clone(name))
    }

    /// The claim with a key of the principal.
    pub(in crate::service) fn claim(&self, key: &IdempotencyKey) -> ClaimKey {
        ClaimKey { principal: Arc::clone(self.principal.name()), key: key.to_shared() }
    }

    /// The lease with an id, which must be the principal's. Leases that were granted
    /// without authentication belong to everyone who may lock the resource.
    pub(in crate::service) fn lease(&self, ids: &LeaseIds, id: &LeaseId) -> Result<DecodedLeaseId, Error> {
        let not_holder = |fencing_token| Error::NotHolder { fencing_token };
        let lease = ids.decode(self.resource.as_str(), id).ok_or(not_holder(None))?;
        let owner = &lease.key.principal;
        let allowed = self.open || owner.is_empty() || owner == self.principal.name();
        if allowed { Ok(lease) } else { Err(not_holder(Some(FencingToken::new(lease.token)))) }
    }

    /// Checks the TTL of an acquire or a renewal.
    pub(in crate::service) fn check_ttl(&self, ttl_ms: u64) -> Result<(), Error> {
        bounded("ttl_ms", ttl_ms, self.rule.limits.max_ttl_ms)
    }

    /// Checks the wait of an acquire.
    pub(in crate::service) fn check_wait(&self, wait_ms: u64) -> Result<(), Error> {
        bounded("wait_ms", wait_ms, self.rule.limits.max_wait_ms)
    }

    /// Counts a request.
    pub(in crate::service) fn take_request(&self) -> Result<(), Error> {
        self.access.quotas.take_request(&self.principal, &self.rule)
    }

    /// Counts an acquire, and reserves a lease or a place in the queue for it. An error
    /// means that a quota is used up: if the key of the acquire is known, the acquire has
    /// to be executed all the same.
    pub(in crate::service) fn admit_acquire(&self, waits: bool) -> Result<Option<InFlight>, Error> {
        self.access.quotas.admit_acquire(&self.principal, &self.rule, waits)
    }

    /// Reports that an operation is refused because of a quota.
    pub(in crate::service) fn quota_refused(&self, error: Error) -> Error {
        self.access.quotas.refused(&self.principal, error)
    }

    /// Enqueues an operation at once; the future waits for its result.
    pub(in crate::service) fn execute(
        &self,
        op: Op,
        session: Option<SessionId>,
    ) -> impl Future<Output = Result<OperationResult, Error>> + use<> {
        let executing =
            self.access.writers.execute(Some(self.sender()), Name::clone(&self.name), op, session);
        async move { Ok(executing.await?) }
    }

    pub(in crate::service) fn next_request(&self) -> RequestId {
        self.access.writers.next_request()
    }

    /// Enqueues an operation; the result goes to its caller.
    pub(in crate::service) fn enqueue(
        &self,
        op: Op,
        session: Option<SessionId>,
        admission: Admission,
        caller: Caller,
    ) -> Result<(), EnqueueError> {
        let (sender, name) = (Some(self.sender()), Name::clone(&self.name));
        self.access.writers.enqueue(Execute { sender, name, op, session, admission, caller })
    }

    /// Reports that a waiter's request is no longer open.
    pub(in crate::service) fn leave(
        &self,
        key: ClaimKey,
        request: Option<RequestId>,
        knows_key: KnowsKey,
        unexecuted: Unexecuted,
    ) -> Result<(), EnqueueError> {
        let (sender, name) = (self.sender(), Name::clone(&self.name));
        self.access.writers.leave(Leave { sender, name, key, request, knows_key, unexecuted })
    }

    fn sender(&self) -> Arc<str> {
        Arc::clone(self.principal.name())
    }

    /// Waits for a result. See [`Writers::answer`].
    pub(in crate::service) async fn answer(
        &self,
        result: &mut oneshot::Receiver<OperationResult>,
        since: Duration,
        parked_until: impl Fn() -> Option<Duration>,
    ) -> Result<OperationResult, EnqueueError> {
        self.access.writers.answer(&self.name, result, since, parked_until).await
    }

    /// Whether a request is held open until its wait ends.
    pub(in crate::service) fn is_parked(&self, key: &ClaimKey, request: RequestId) -> bool {
        self.access.writers.is_parked(&self.name, key, request)
    }

    pub(in crate::service) fn reads(&self) -> &Reads {
        &self.access.reads
    }
}

fn bounded(field: &str, value: u64, maximum: Option<u64>) -> Result<(), Error> {
    match maximum {
        Some(maximum) if value > maximum => Err(Error::Invalid {
            what: format!("`{field}` is {value}, and the maximum for this principal is {maximum}"),
        }),
        _ => Ok(()),
    }
}
