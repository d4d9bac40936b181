//! Executes operations, for every transport.
//!
//! A transport decodes a request into an [`Operation`], calls [`Service::call`]
//! and encodes the [`Outcome`] or [`Error`]. The service authorizes the
//! operation, sends it to a writer or reads from the store, and converts the
//! result into wire types.
//!
//! - `open`, `close`: start and shutdown
//! - `operation`, `error`: requests and results; `call`: executes them
//! - `access`: what a principal may do; the only way to the writers and readers
//! - `acquire`: an acquire and its wait
//! - `mutate`: the other operations of a writer; `request_release`: asks a holder to let go
//! - `started`: operations of a session, whose results come later
//! - `audit`: what is recorded of operations
//! - `reads`: who may read from the store, and when
//! - `read`: status and lists
//! - `events`: pages of the event log; `subscribe`: its live end; `replay`: what comes before;
//!   `log_position`: finds a place in it by time
//! - `tickets`: what opens one WebSocket each
//! - `overview`: all locks at a glance; `wait_graph`: who blocks whom; `owners`: what owners hold and
//!   wait for; `scopes`: what is computed once for all who see the same
//! - `deadlock_counter`: possible deadlocks, for the metrics
//! - `troubles`: reports long waits, long holds and possible deadlocks to the webhook
//! - `checks`: when fencing tokens were last checked
//! - `explain`: why a lock is not free, and for how long; `past`: the locks at an instant
//! - `quotas`: how much of the server a principal may use
//! - `restore`: makes a restored backup safe to serve; `show`: shows what a database contains
//! - `lease_id`, `wire`: engine values in wire terms
//! - `test_time`, `test_log`: time that a test moves, and a log that it writes

mod access;
mod acquire;
mod audit;
mod call;
mod checks;
mod close;
mod deadlock_counter;
mod error;
mod events;
mod explain;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod lease_id;
mod log_position;
mod mutate;
mod open;
mod operation;
mod overview;
mod owners;
mod past;
mod quotas;
mod read;
mod reads;
mod replay;
mod request_release;
mod restore;
mod scopes;
mod show;
mod started;
mod subscribe;
#[cfg(test)]
mod test_log;
#[cfg(feature = "test-time")]
mod test_time;
mod tickets;
mod troubles;
mod wait_graph;
mod wait_graph_updates;
mod wire;

use std::fmt;
use std::sync::Arc;

use dlm_engine::{Context, Limits, Micros, Op, Replicas};
use dlm_protocol::{Lease, ResourceName};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::audit::{Audit, Origin};
use crate::auth::{Principal, Role};
use crate::background::{Background, PartEnded};
use crate::lease_watchers::{LeaseNoticeSender, LeaseWatchers};
use crate::log::LogDecoder;
use crate::membership::Membership;
use crate::release_requests::ReleaseRequests;
use crate::store::Cluster;
use crate::tasks::ReadinessProbe;
use crate::writer::SessionId;
use access::Access;
use checks::LastChecks;
use explain::KeptHolds;
use lease_id::LeaseIds;
use overview::Overviews;
use owners::Owners;
use past::PastReads;
use quotas::counted;
use replay::Replays;
use tickets::Tickets;
use wait_graph::WaitGraphs;

pub use crate::store::{ListQuery, OpenError};
pub(crate) use audit::Denial;
pub use error::Error;
use error::{overloaded, unavailable};
pub use open::{ServiceOptions, TroubleThresholds};
pub use operation::{EventsQuery, Operation, Outcome, OwnerFilter, OwnersQuery, StateQuery};
pub(crate) use quotas::SocketPlace;
pub use restore::{Restored, restore};
pub use show::{ShowError, Shown, show};
pub(crate) use started::Started;
pub(crate) use subscribe::{EventBatch, EventFilter, Subscription, SubscriptionEnd, SubscriptionItem};
pub(crate) use wait_graph_updates::WaitGraphUpdates;

/// The lock service over one store. Clones share it.
///
/// Each puts the operations of its session in order, if it has one, and knows the origin
/// of its request.
#[derive(Clone)]
pub struct Service(Arc<Inner>, Via);

/// What operations come through.
#[derive(Clone, Default)]
struct Via {
    /// Puts operations on one resource in order.
    session: Option<SessionId>,
    /// `None` for calls within the process.
    origin: Option<Origin>,
}

struct Inner {
    access: Arc<Access>,
    readiness: ReadinessProbe,
    ids: LeaseIds,
    tickets: Tickets,
    decoder: Arc<LogDecoder>,
    cluster: Arc<dyn Cluster>,
    membership: Arc<Membership>,
    lease_watchers: Arc<LeaseWatchers>,
    release_requests: Arc<ReleaseRequests>,
    overviews: Overviews,
    wait_graphs: WaitGraphs,
    owners: Owners,
    holds: KeptHolds,
    checks: LastChecks,
    past_reads: PastReads,
    /// Permits to hold stored events of a subscription in memory.
    replays: Arc<Replays>,
    limits: Arc<Limits>,
    troubles: TroubleThresholds,
    draining: CancellationToken,
    background: Background,
    audit: Audit,
    #[cfg(feature = "test-time")]
    next_check: Arc<crate::writer::NextCheck>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    /// Reads the status of a resource, for a request that [`Self::settled`] has counted.
    pub(crate) async fn settled_status(
        &self,
        principal: &Principal,
        resource: ResourceName,
    ) -> Result<Outcome, Error> {
        self.read_status(&self.0.access.on_resource(principal, Role::Observe, resource)?).await
    }

    /// The service for a new session: operations on one resource are executed in the
    /// order in which their futures were first polled.
    pub(crate) fn for_session(&self) -> Self {
        let session = Some(self.0.access.system().writers().next_session());
        Self(Arc::clone(&self.0), Via { session, ..self.1.clone() })
    }

    /// The service for a request, whose origin is recorded.
    pub(crate) fn for_request(&self, origin: Origin) -> Self {
        Self(Arc::clone(&self.0), Via { origin: Some(origin), ..self.1 })
    }

    /// Checks that a principal may do anything at all.
    pub(crate) fn check_any_right(&self, principal: &Principal) -> Result<(), Error> {
        self.0.access.view(principal, None).map(drop)
    }

    /// Checks that a principal may observe every resource.
    pub(crate) fn check_observes_all(&self, principal: &Principal) -> Result<(), Error> {
        self.0.access.view(principal, None)?.check_everything()
    }

    /// Waits until a principal has lost a right that it had.
    pub(crate) fn right_lost(&self, principal: &Principal) -> impl Future<Output = ()> + use<> {
        self.0.access.right_lost(principal)
    }

    /// Waits until a principal may no longer observe what it could.
    pub(crate) fn sight_lost(&self, principal: &Principal) -> impl Future<Output = ()> + use<> {
        self.0.access.sight_lost(principal)
    }

    /// Counts a request for the status of a resource, and waits until every earlier
    /// operation of the session on the resource is complete.
    pub(crate) fn settled(
        &self,
        principal: &Principal,
        resource: ResourceName,
    ) -> impl Future<Output = Result<(), Error>> + use<> {
        let on = self.0.access.on_resource(principal, Role::Observe, resource);
        let sweep = Op::Sweep { waiters: Vec::new() };
        let settled = on.and_then(counted).map(|on| on.execute(sweep, self.1.session));
        async move { settled?.await.map(drop) }
    }

    /// Runs a part of an operation that reads in a task of its own, which is aborted
    /// when the future is dropped. A caller that waits for its peer does not poll
    /// the future, which could have been given a permit to read.
    pub(crate) fn in_task<T: Send + 'static, F: Future<Output = Result<T, Error>> + Send + 'static>(
        &self,
        part: F,
    ) -> impl Future<Output = Result<T, Error>> + use<T, F> {
        let task = AbortOnDropHandle::new(self.0.background.spawn_async(part));
        async move { task.await.map_err(|_| Error::Internal)? }
    }

    /// Notifies `sender` when the lease expires or is force-released, and when its holder is
    /// asked to let go of it.
    pub(crate) fn watch(&self, lease: &Lease, sender: &LeaseNoticeSender) {
        self.0.lease_watchers.watch(lease, sender);
        self.notice_since(lease, sender);
    }

    /// Checks that the store can be written and read, and that the service is
    /// not draining.
    ///
    /// # Errors
    ///
    /// Returns the reason when the service is not ready. Waits without a bound
    /// for a store that does not answer; the caller sets the timeout.
    pub async fn ready(&self) -> Result<(), Error> {
        self.alive()?;
        if self.0.draining.is_cancelled() {
            return Err(unavailable("the server is shutting down"));
        }
        if let Some(why) = self.0.background.health().failing() {
            return Err(unavailable(why));
        }
        for probed in self.0.access.system().writers().probe_all().await? {
            acquire::reply(probed.outcome, probed.first_now)?;
        }
        Ok(self.0.readiness.read().await?)
    }

    /// Checks that every background part runs. Does not touch the store.
    ///
    /// # Errors
    ///
    /// Returns an error if a part has ended. The server ends too, but may be draining.
    pub fn alive(&self) -> Result<(), Error> {
        match self.0.background.health().first_ended() {
            Some(_) => Err(unavailable("a vital part of the server has ended, so the server ends too")),
            None => Ok(()),
        }
    }

    /// Waits until a vital part has ended. Then the service has to be closed.
    pub(crate) async fn part_ended(&self) -> PartEnded {
        self.0.background.health().part_ended().await
    }

    /// Which vital part has ended, if any has.
    pub(crate) fn ended_part(&self) -> Option<&PartEnded> {
        self.0.background.health().first_ended()
    }

    /// The threads of the service.
    pub(crate) fn background(&self) -> &Background {
        &self.0.background
    }

    /// Makes the first writer panic.
    #[cfg(test)]
    pub(crate) async fn break_writer(&self) -> Result<(), crate::store::StoreError> {
        self.0.access.system().writers().run_maintenance(|_| panic!("expected")).await
    }

    /// The engine's context for a read at `now`.
    fn context<'a>(&'a self, now: Micros, replicas: &'a Replicas) -> Context<'a> {
        Context { now, replicas, limits: &self.0.limits }
    }
}
