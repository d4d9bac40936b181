//! What a transport asks of the service, and what it is answered.

use dlm_protocol::{
    AcquireRequest, Cancelled, CheckRequest, Checked, EventPage, ForceReleaseRequest, ForceReleased,
    IdempotencyKey, Lease, LockPage, LockStatus, Overview, Queued, ReleaseRequest, Released, RenewItem,
    RenewRequest, ResourceName,
};

use super::{Error, ListQuery};

/// One operation, however it came in.
#[derive(Debug, Clone)]
pub enum Operation {
    Acquire {
        resource: ResourceName,
        key: Option<IdempotencyKey>,
        request: AcquireRequest,
    },
    Cancel {
        resource: ResourceName,
        key: IdempotencyKey,
    },
    Renew {
        resource: ResourceName,
        request: RenewRequest,
    },
    RenewMany {
        leases: Vec<RenewItem>,
    },
    Release {
        resource: ResourceName,
        request: ReleaseRequest,
    },
    ForceRelease {
        resource: ResourceName,
        request: ForceReleaseRequest,
    },
    Check {
        resource: ResourceName,
        request: CheckRequest,
    },
    Status {
        resource: ResourceName,
    },
    List(ListQuery),
    Events(EventsQuery),
    /// With so many seconds of what happened.
    Overview {
        seconds: usize,
    },
}

impl Operation {
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
            Self::Check { .. } => "check",
            Self::Status { .. } => "status",
            Self::List(_) => "list",
            Self::Events(_) => "events",
            Self::Overview { .. } => "overview",
        }
    }
}

/// Which events to read.
#[derive(Debug, Clone)]
pub struct EventsQuery {
    pub prefix: String,
    pub resource: Option<ResourceName>,
    /// 1 to [`dlm_protocol::limits::MAX_PAGE`]; the transport checks it.
    pub limit: usize,
    /// A cursor; the first event of the log when absent.
    pub after: Option<String>,
    /// The end of the log instead: the newest that match, in its order.
    pub newest: bool,
}

/// The answer to an [`Operation`].
#[derive(Debug)]
pub enum Outcome {
    /// Of `Acquire` and `Renew`.
    Lease(Box<Lease>),
    /// Of `Acquire`: still waiting after this request's share of the wait.
    Queued(Queued),
    Cancelled(Cancelled),
    Renewed(Vec<Result<Lease, Error>>),
    Released(Released),
    ForceReleased(ForceReleased),
    Checked(Checked),
    Status(Box<LockStatus>),
    Locks(LockPage),
    Events(EventPage),
    Overview(Overview),
}
