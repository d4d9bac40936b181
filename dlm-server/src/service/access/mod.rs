//! Authorization: the one place that decides what a principal may do.
//!
//! [`Access`] owns the writers, the readers and the feed. There are only two ways to
//! them: a right, [`OnResource`] or [`View`], which only `Access` makes, and only for
//! a principal that the policy in force allows it; and [`System`], for what the server
//! does of its own accord.

mod on_resource;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use dlm_engine::{ClaimKey, Op};
use dlm_protocol::ResourceName;
use tokio::sync::watch;

use super::Error;
use super::quotas::{Quotas, SocketPlace};
use super::reads::Reads;
use crate::auth::{Policies, Policy, Prefix, Principal, Role, Visibility};
use crate::feed::Feed;
use crate::metrics::SocketProtocol;
use crate::store::{Name, Names};
use crate::writer::{EnqueueError, Leave, OperationResult, Writers};

pub(super) use on_resource::OnResource;

/// Gives the rights to use the store.
pub(super) struct Access {
    policies: Policies,
    writers: Writers,
    reads: Reads,
    feed: Feed,
    quotas: Quotas,
}

/// The right of a principal to see resources: at any time those that the policy in
/// force lets it observe.
#[derive(Clone)]
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
    pub(super) fn on_resource(
        self: &Arc<Self>,
        principal: &Principal,
        role: Role,
        resource: ResourceName,
    ) -> Result<OnResource, Error> {
        let policy = self.policies.current();
        let rules = policy.rules(principal);
        let rule = rules.and_then(|rules| rules.allowing(role, resource.as_str()));
        let rule = Arc::clone(rule.ok_or(forbidden(role))?);
        let name = resource.to_shared();
        let (access, principal) = (Arc::clone(self), principal.clone());
        Ok(OnResource { access, principal, resource, name, rule, open: policy.is_open() })
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

    pub(super) fn reads(&self) -> &'a Reads {
        &self.0.reads
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
