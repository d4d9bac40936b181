//! What a transport asks of the service, and what it gets back.

use dlm_engine::{Actor, Claim};
use dlm_protocol::{
    AcquireRequest, Cancelled, CheckRequest, Checked, EventKind, EventPage, Explanation, ForceReleaseRequest,
    ForceReleased, HoldStatisticsList, IdempotencyKey, Lease, LockPage, LockStatus, Overview, Owner,
    OwnerDetails, OwnerPage, OwnerSummary, PastState, PrincipalDetails, Queued, ReleaseRequest, Released,
    RenewItem, RenewRequest, RequestReleaseRequest, RequestedRelease, ResourceName, Timestamp, WaitGraph,
};

use super::Error;
use crate::auth::Role;
use crate::store::ListQuery;

/// An operation, independent of the transport.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Acquires a lock, or waits for it.
    Acquire {
        resource: ResourceName,
        /// The server generates one when absent.
        key: Option<IdempotencyKey>,
        request: AcquireRequest,
    },
    /// Cancels an acquire, whether it waits or was granted.
    Cancel { resource: ResourceName, key: IdempotencyKey },
    /// Starts a new term of a lease.
    Renew { resource: ResourceName, request: RenewRequest },
    /// Starts new terms of several leases.
    RenewMany { leases: Vec<RenewItem> },
    /// Ends a lease.
    Release { resource: ResourceName, request: ReleaseRequest },
    /// Ends the lease of another holder.
    ForceRelease { resource: ResourceName, request: ForceReleaseRequest },
    /// Asks the holder of a lease to let go of it.
    RequestRelease { resource: ResourceName, request: RequestReleaseRequest },
    /// Checks whether a fencing token is that of a live lease.
    Check { resource: ResourceName, request: CheckRequest },
    /// Reads the state of one resource.
    Status { resource: ResourceName },
    /// Lists resources.
    List(ListQuery),
    /// Reads a page of the event log.
    Events(EventsQuery),
    /// Finds out who blocks whom.
    WaitGraph {
        /// 1 to [`dlm_protocol::limits::MAX_PAGE`] locks; the transport checks it.
        limit: usize,
    },
    /// Explains why a lock is not free.
    Explain {
        resource: ResourceName,
        /// Whose wait to estimate.
        owner: Option<OwnerFilter>,
    },
    /// Reads how long locks were held.
    HoldStatistics {
        /// 1 to [`dlm_protocol::limits::MAX_HOLD_STATISTICS`] locks; the transport checks it.
        resources: Vec<ResourceName>,
    },
    /// Lists what owners hold and wait for.
    Owners(OwnersQuery),
    /// Reads what one owner holds and waits for.
    Owner(OwnerFilter),
    /// Reads what one principal holds and waits for.
    Principal {
        /// Not empty: the anonymous one has no page.
        name: String,
    },
    /// Finds out which locks were held at an instant.
    State(StateQuery),
    /// Summarizes all locks.
    Overview {
        /// How many seconds of history to include, at most
        /// [`dlm_protocol::limits::OVERVIEW_SECONDS`]; the transport checks it.
        seconds: usize,
    },
}

impl Operation {
    /// The role that a principal needs on each resource of the operation. A list, a
    /// page and the overview contain what the principal may observe.
    pub(crate) const fn role(&self) -> Role {
        match self {
            Self::Status { .. }
            | Self::List(_)
            | Self::Events(_)
            | Self::WaitGraph { .. }
            | Self::Explain { .. }
            | Self::HoldStatistics { .. }
            | Self::Owners(_)
            | Self::Owner(_)
            | Self::Principal { .. }
            | Self::State(_)
            | Self::Overview { .. } => Role::Observe,
            Self::Acquire { .. }
            | Self::Cancel { .. }
            | Self::Renew { .. }
            | Self::RenewMany { .. }
            | Self::Release { .. }
            | Self::Check { .. } => Role::Lock,
            Self::ForceRelease { .. } | Self::RequestRelease { .. } => Role::Admin,
        }
    }

    /// The resource of an operation on one alone.
    pub(crate) const fn resource(&self) -> Option<&ResourceName> {
        match self {
            Self::Acquire { resource, .. }
            | Self::Cancel { resource, .. }
            | Self::Renew { resource, .. }
            | Self::Release { resource, .. }
            | Self::ForceRelease { resource, .. }
            | Self::RequestRelease { resource, .. }
            | Self::Check { resource, .. }
            | Self::Explain { resource, .. }
            | Self::Status { resource } => Some(resource),
            Self::RenewMany { .. }
            | Self::List(_)
            | Self::Events(_)
            | Self::WaitGraph { .. }
            | Self::HoldStatistics { .. }
            | Self::Owners(_)
            | Self::Owner(_)
            | Self::Principal { .. }
            | Self::State(_)
            | Self::Overview { .. } => None,
        }
    }

    /// The operation's name in logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Acquire { .. } => "acquire",
            Self::Cancel { .. } => "cancel",
            Self::Renew { .. } => "renew",
            Self::RenewMany { .. } => "renew_many",
            Self::Release { .. } => "release",
            Self::ForceRelease { .. } => "force_release",
            Self::RequestRelease { .. } => "request_release",
            Self::Check { .. } => "check",
            Self::Status { .. } => "status",
            Self::List(_) => "list",
            Self::Events(_) => "events",
            Self::WaitGraph { .. } => "wait_graph",
            Self::Explain { .. } => "explain",
            Self::HoldStatistics { .. } => "hold_statistics",
            Self::Owners(_) => "owners",
            Self::Owner(_) => "owner",
            Self::Principal { .. } => "principal",
            Self::State(_) => "state",
            Self::Overview { .. } => "overview",
        }
    }
}

/// Which events to read.
#[derive(Debug, Clone, Default)]
pub struct EventsQuery {
    /// Only resources whose names begin with this.
    pub prefix: String,
    /// Only this resource.
    pub resource: Option<ResourceName>,
    /// 1 to [`dlm_protocol::limits::MAX_PAGE`]; the transport checks it.
    pub limit: usize,
    /// Start after this cursor; at the beginning of the log when absent.
    pub after: Option<String>,
    /// Return the newest events that match, in log order, instead of the first.
    pub newest: bool,
    /// With `newest`: only events before this cursor.
    pub before: Option<String>,
    /// Only events of these kinds; all kinds when empty.
    pub kinds: Vec<EventKind>,
    /// Only events with this owner.
    pub owner: Option<String>,
    /// Only grants to this principal and force-releases by it: the log has no principal in others.
    pub principal: Option<String>,
    /// Only events at this instant or later.
    pub from: Option<Timestamp>,
    /// Only events before this instant.
    pub to: Option<Timestamp>,
}

/// Which owners to list.
#[derive(Debug, Clone, Default)]
pub struct OwnersQuery {
    /// Only owners that contain this text, in any case.
    pub contains: String,
    /// Only owners that begin with this text.
    pub prefix: String,
    /// Only owners of this principal.
    pub principal: Option<String>,
    /// 1 to [`dlm_protocol::limits::MAX_PAGE`]; the transport checks it.
    pub limit: usize,
    /// `next` of the previous page.
    pub after: Option<String>,
}

impl OwnersQuery {
    pub(crate) fn matches(&self, summary: &OwnerSummary) -> bool {
        let owner = summary.owner.as_str();
        let principal = summary.principal.as_deref().unwrap_or_default();
        owner.starts_with(&self.prefix)
            && self.principal.as_ref().is_none_or(|only| principal == only)
            && (self.contains.is_empty() || owner.to_lowercase().contains(&self.contains.to_lowercase()))
    }
}

/// Which instant to look at.
#[derive(Debug, Clone, Default)]
pub struct StateQuery {
    /// The instant; the current one if it is absent.
    pub at: Option<Timestamp>,
    /// Only resources whose names begin with this.
    pub prefix: String,
    /// Only resources that this owner held or waited for.
    pub owner: Option<Owner>,
    /// The longest waits come first, those that began at an unknown time before them, and resources without
    /// waiters last; otherwise the order is that of the names.
    pub longest_waits_first: bool,
    /// 1 to [`dlm_protocol::limits::MAX_PAGE`]; the transport checks it.
    pub limit: usize,
}

/// An owner, of one principal or of any.
#[derive(Debug, Clone)]
pub struct OwnerFilter {
    /// The owner as given in acquires; empty for those that gave none.
    pub owner: Owner,
    /// The name of the principal; empty for the anonymous one.
    pub principal: Option<String>,
}

impl OwnerFilter {
    pub(crate) fn is(&self, actor: &Actor) -> bool {
        *actor.owner == *self.owner.as_str()
            && self.principal.as_deref().is_none_or(|principal| *actor.principal == *principal)
    }

    pub(crate) fn matches(&self, claim: &Claim) -> bool {
        self.is(&super::wait_graph::actor(claim))
    }
}

/// The result of an [`Operation`].
#[derive(Debug)]
pub enum Outcome {
    /// Of [`Operation::Acquire`] and [`Operation::Renew`].
    Lease(Box<Lease>),
    /// Of [`Operation::Acquire`]: still queued when the request reached its
    /// maximum hold time. Repeat it with the same key to keep waiting.
    Queued(Queued),
    /// Of [`Operation::Cancel`].
    Cancelled(Cancelled),
    /// Of [`Operation::RenewMany`]: one result per lease, in request order.
    Renewed(Vec<Result<Lease, Error>>),
    /// Of [`Operation::Release`].
    Released(Released),
    /// Of [`Operation::ForceRelease`].
    ForceReleased(ForceReleased),
    /// Of [`Operation::RequestRelease`].
    ReleaseRequested(RequestedRelease),
    /// Of [`Operation::Check`].
    Checked(Checked),
    /// Of [`Operation::Status`].
    Status(Box<LockStatus>),
    /// Of [`Operation::List`].
    Locks(LockPage),
    /// Of [`Operation::Events`].
    Events(EventPage),
    /// Of [`Operation::WaitGraph`].
    WaitGraph(WaitGraph),
    /// Of [`Operation::Explain`].
    Explanation(Box<Explanation>),
    /// Of [`Operation::HoldStatistics`].
    HoldStatistics(HoldStatisticsList),
    /// Of [`Operation::Owners`].
    Owners(OwnerPage),
    /// Of [`Operation::Owner`].
    Owner(Box<OwnerDetails>),
    /// Of [`Operation::Principal`].
    Principal(Box<PrincipalDetails>),
    /// Of [`Operation::State`].
    State(Box<PastState>),
    /// Of [`Operation::Overview`].
    Overview(Overview),
}
