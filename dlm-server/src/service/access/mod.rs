//! Authorization: the one place that decides what a principal may do.
//!
//! [`Access`] owns the writers, the readers and the feed. There are only two ways to
//! them: a right, [`OnResource`] or [`View`], which only `Access` makes, and only for
//! a principal that the policy in force allows it; and [`System`], for what the server
//! does of its own accord.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{ClaimKey, Op};
use dlm_protocol::{FencingToken, IdempotencyKey, LeaseId, ResourceName};
use tokio::sync::{oneshot, watch};

use super::Error;
use super::lease_id::{DecodedLeaseId, LeaseIds};
use super::quotas::{Quotas, SocketPlace};
use super::reads::Reads;
use crate::auth::{Policies, Policy, Prefix, Principal, Role, Rule, Visibility};
use crate::feed::Feed;
use crate::metrics::SocketProtocol;
use crate::store::{Name, Names};
use crate::usage::InFlight;
use crate::writer::{
    Admission, Caller, EnqueueError, Execute, Leave, OperationResult, RequestId, SessionId, Writers,
};

/// Gives the rights to use the store.
pub(super) struct Access {
    policies: Policies,
    writers: Writers,
    reads: Reads,
    feed: Feed,
    quotas: Quotas,
}

/// The right of a principal to a role on one resource.
pub(super) struct OnResource<'a> {
    access: &'a Access,
    principal: &'a Principal,
    resource: ResourceName,
    name: Name,
    /// The rule that gives the right.
    rule: Arc<Rule>,
    /// Whether there is no authentication.
    open: bool,
}

/// The right of a principal to see resources: at any time those that the policy in
/// force lets it observe.
pub(super) struct View {
    principal: Principal,
    policies: watch::Receiver<Arc<Policy>>,
    visibility: Arc<Visibility>,
}

/// What the server does itself.
pub(super) struct System<'a>(&'a Access);

impl Access {
    pub(super) fn new(
        policies: Policies,
        writers: Writers,
        reads: Reads,
        feed: Feed,
        quotas: Quotas,
    ) -> Self {
        Self { policies, writers, reads, feed, quotas }
    }

    /// Counts a request of a principal that names no resource.
    pub(super) fn take_request(&self, principal: &Principal) -> Result<(), Error> {
        let policy = self.policies.current();
        match policy.rules(principal) {
            Some(rules) => self.quotas.take_request_of(principal, rules),
            None => Ok(()),
        }
    }

    /// Takes the place of a socket of a principal.
    pub(super) fn socket_place(
        &self,
        principal: &Principal,
        protocol: SocketProtocol,
    ) -> Result<SocketPlace, Error> {
        match self.policies.current().is_open() {
            true => Ok(SocketPlace::UNLIMITED),
            false => self.quotas.socket_place(principal, protocol),
        }
    }

    /// The quotas that it enforces.
    pub(super) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// The right of a principal to a role on a resource.
    pub(super) fn on_resource<'a>(
        &'a self,
        principal: &'a Principal,
        role: Role,
        resource: ResourceName,
    ) -> Result<OnResource<'a>, Error> {
        let policy = self.policies.current();
        let rules = policy.rules(principal);
        let rule = rules.and_then(|rules| rules.allowing(role, resource.as_str()));
        let rule = Arc::clone(rule.ok_or(forbidden(role))?);
        let name = resource.to_shared();
        Ok(OnResource { access: self, principal, resource, name, rule, open: policy.is_open() })
    }

    /// The right of a principal to see whatever it may observe. That must be something,
    /// and include `resource` if the principal asks for it by name.
    pub(super) fn view(&self, principal: &Principal, resource: Option<&ResourceName>) -> Result<View, Error> {
        let mut policies = self.policies.subscribe();
        let visibility = Arc::new(visibility(&policies.borrow_and_update(), principal));
        let hidden = resource.is_some_and(|resource| !visibility.sees(resource.as_str()));
        match visibility.is_nothing() || hidden {
            true => Err(forbidden(Role::Observe)),
            false => Ok(View { principal: principal.clone(), policies, visibility }),
        }
    }

    /// Waits until a principal has lost a right that it had. Rights that it is given
    /// meanwhile count as well.
    pub(super) fn right_lost(&self, principal: &Principal) -> impl Future<Output = ()> + use<> {
        let principal = principal.clone();
        lost(
            self.policies.subscribe(),
            move |policy| policy.rules(&principal).cloned().unwrap_or_default(),
            |now, before| now.allow_all_of(before),
        )
    }

    /// Waits until a principal may no longer observe what it could.
    pub(super) fn sight_lost(&self, principal: &Principal) -> impl Future<Output = ()> + use<> {
        let principal = principal.clone();
        lost(self.policies.subscribe(), move |policy| visibility(policy, &principal), Visibility::sees_all_of)
    }

    pub(super) fn reads(&self, _: &View) -> &Reads {
        &self.reads
    }

    pub(super) fn feed(&self, _: &View) -> &Feed {
        &self.feed
    }

    pub(super) fn system(&self) -> System<'_> {
        System(self)
    }
}

/// The names of the resources in sight.
pub(super) fn names_in_sight(visibility: &Visibility) -> Names {
    match visibility.is_everything() {
        true => Names::All,
        false => Names::below(visibility.prefixes().iter().map(Prefix::stem)),
    }
}

fn visibility(policy: &Policy, principal: &Principal) -> Visibility {
    policy.rules(principal).map_or_else(Visibility::nothing, |rules| rules.visibility())
}

impl OnResource<'_> {
    pub(super) fn resource(&self) -> &ResourceName {
        &self.resource
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn principal(&self) -> &Principal {
        self.principal
    }

    /// The name of the principal; `None` for the anonymous one.
    pub(super) fn principal_name(&self) -> Option<Arc<str>> {
        let name = self.principal.name();
        (!name.is_empty()).then(|| Arc::clone(name))
    }

    /// The claim with a key of the principal.
    pub(super) fn claim(&self, key: &IdempotencyKey) -> ClaimKey {
        ClaimKey { principal: Arc::clone(self.principal.name()), key: key.to_shared() }
    }

    /// The lease with an id, which must be the principal's. Leases that were granted
    /// without authentication belong to everyone who may lock the resource.
    pub(super) fn lease(&self, ids: &LeaseIds, id: &LeaseId) -> Result<DecodedLeaseId, Error> {
        let not_holder = |fencing_token| Error::NotHolder { fencing_token };
        let lease = ids.decode(self.resource.as_str(), id).ok_or(not_holder(None))?;
        let owner = &lease.key.principal;
        let allowed = self.open || owner.is_empty() || owner == self.principal.name();
        if allowed { Ok(lease) } else { Err(not_holder(Some(FencingToken::new(lease.token)))) }
    }

    /// Checks the TTL of an acquire or a renewal.
    pub(super) fn check_ttl(&self, ttl_ms: u64) -> Result<(), Error> {
        bounded("ttl_ms", ttl_ms, self.rule.limits.max_ttl_ms)
    }

    /// Checks the wait of an acquire.
    pub(super) fn check_wait(&self, wait_ms: u64) -> Result<(), Error> {
        bounded("wait_ms", wait_ms, self.rule.limits.max_wait_ms)
    }

    /// Counts a request.
    pub(super) fn take_request(&self) -> Result<(), Error> {
        self.access.quotas.take_request(self.principal, &self.rule)
    }

    /// Counts an acquire, and reserves a lease or a place in the queue for it. An error
    /// means that a quota is used up: if the key of the acquire is known, the acquire has
    /// to be executed all the same.
    pub(super) fn admit_acquire(&self, waits: bool) -> Result<Option<InFlight>, Error> {
        self.access.quotas.admit_acquire(self.principal, &self.rule, waits)
    }

    /// Reports that an operation is refused because of a quota.
    pub(super) fn quota_refused(&self, error: Error) -> Error {
        self.access.quotas.refused(self.principal, error)
    }

    /// Enqueues an operation at once; the future waits for its result.
    pub(super) fn execute(
        &self,
        op: Op,
        session: Option<SessionId>,
    ) -> impl Future<Output = Result<OperationResult, Error>> + use<> {
        let executing =
            self.access.writers.execute(Some(self.sender()), Name::clone(&self.name), op, session);
        async move { Ok(executing.await?) }
    }

    pub(super) fn next_request(&self) -> RequestId {
        self.access.writers.next_request()
    }

    /// Enqueues an operation; the result goes to its caller.
    pub(super) fn enqueue(
        &self,
        op: Op,
        session: Option<SessionId>,
        admission: Admission,
        caller: Caller,
    ) -> Result<(), EnqueueError> {
        let (sender, name) = (Some(self.sender()), Name::clone(&self.name));
        self.access.writers.enqueue(Execute { sender, name, op, session, admission, caller })
    }

    fn sender(&self) -> Arc<str> {
        Arc::clone(self.principal.name())
    }

    /// Waits for a result. See [`Writers::answer`].
    pub(super) async fn answer(
        &self,
        result: &mut oneshot::Receiver<OperationResult>,
        since: Duration,
        parked_until: impl Fn() -> Option<Duration>,
    ) -> Result<OperationResult, EnqueueError> {
        self.access.writers.answer(&self.name, result, since, parked_until).await
    }

    /// Whether a request is held open until its wait ends.
    pub(super) fn is_parked(&self, key: &ClaimKey, request: RequestId) -> bool {
        self.access.writers.is_parked(&self.name, key, request)
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.access.reads
    }
}

/// Waits until a part of the policy no longer includes what it was.
fn lost<T>(
    mut policies: watch::Receiver<Arc<Policy>>,
    part: impl Fn(&Policy) -> T,
    includes: impl Fn(&T, &T) -> bool,
) -> impl Future<Output = ()> {
    let mut before = part(&policies.borrow_and_update());
    async move {
        // `Access` has the sender, and ends only with the server.
        while policies.changed().await.is_ok() {
            let now = part(&policies.borrow_and_update());
            if !includes(&now, &before) {
                return;
            }
            before = now;
        }
        std::future::pending::<()>().await;
    }
}

fn forbidden(role: Role) -> Error {
    Error::Forbidden { required: role.into() }
}

fn bounded(field: &str, value: u64, maximum: Option<u64>) -> Result<(), Error> {
    match maximum {
        Some(maximum) if value > maximum => Err(Error::Invalid {
            what: format!("`{field}` is {value}, and the maximum for this principal is {maximum}"),
        }),
        _ => Ok(()),
    }
}

impl View {
    /// Checks that every resource is in sight.
    pub(super) fn check_everything(mut self) -> Result<(), Error> {
        if self.visibility().is_everything() { Ok(()) } else { Err(forbidden(Role::Observe)) }
    }

    /// The resources in sight under the policy in force.
    pub(super) fn visibility(&mut self) -> &Arc<Visibility> {
        // It never fails: `Access` has the sender.
        if self.policies.has_changed().unwrap_or(false) {
            self.visibility = Arc::new(visibility(&self.policies.borrow_and_update(), &self.principal));
        }
        &self.visibility
    }
}

impl<'a> System<'a> {
    pub(super) fn writers(&self) -> &'a Writers {
        &self.0.writers
    }

    /// Executes an operation; the future waits for its result.
    pub(super) fn execute(
        &self,
        name: Name,
        op: Op,
    ) -> impl Future<Output = Result<OperationResult, Error>> + use<> {
        let executing = self.0.writers.execute(None, name, op, None);
        async move { Ok(executing.await?) }
    }

    /// Ends what is overdue of a resource.
    pub(super) fn sweep(
        &self,
        name: Name,
        waiters: Vec<ClaimKey>,
    ) -> impl Future<Output = Result<OperationResult, Error>> + use<> {
        self.execute(name, Op::Sweep { waiters })
    }

    /// Removes a waiter whose caller is gone.
    pub(super) fn leave(&self, leave: Leave) -> Result<(), EnqueueError> {
        self.0.writers.leave(leave)
    }
}
