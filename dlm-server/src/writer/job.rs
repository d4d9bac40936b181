//! What a writer accepts, and its results.

use std::sync::Arc;

use dlm_engine::{ClaimKey, KnowsKey, Micros, Op, Refusal, Reply};

use super::replies::{Outgoing, ReplyTo};
use crate::store::{Name, Store};
use crate::usage::InFlight;

/// Identifies one request of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RequestId(pub(crate) u64);

/// Identifies a session of a caller. Its operations on one resource are executed in the
/// order in which they were enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(pub(crate) u64);

/// Why a job was not enqueued, or has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnqueueError {
    #[error("the writer's queue is full")]
    QueueFull,
    #[error("the writer has stopped")]
    Stopped,
    /// The database does not respond. A job that was enqueued may still be executed.
    #[error("the database does not respond")]
    NoAnswer,
}

/// Runs on a writer's connection, between two batches.
pub(crate) type MaintenanceTask = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// An entry of a writer's inbox.
pub(crate) enum Job {
    Execute(Execute),
    Leave(Leave),
    /// Check whether the wait of a parked claim has ended at a peer.
    Recheck(Name, ClaimKey),
    Maintenance(MaintenanceTask),
}

impl Job {
    /// The resource; `None` if it concerns all.
    pub(super) fn name(&self) -> Option<&Name> {
        match self {
            Self::Execute(execute) => Some(&execute.name),
            Self::Leave(leave) => Some(&leave.name),
            Self::Recheck(name, _) => Some(name),
            Self::Maintenance(_) => None,
        }
    }

    /// The principal that sent it; `None` for the server itself.
    pub(super) fn sender(&self) -> Option<&Arc<str>> {
        match self {
            Self::Execute(execute) => execute.sender.as_ref(),
            Self::Leave(leave) => Some(&leave.sender),
            Self::Recheck(..) | Self::Maintenance(_) => None,
        }
    }
}

/// An operation, and the caller that waits for its result.
#[derive(Debug)]
pub(crate) struct Execute {
    /// The principal of the caller; `None` for the server itself.
    pub(crate) sender: Option<Arc<str>>,
    pub(crate) name: Name,
    pub(crate) op: Op,
    /// `None` if the operation is in no order with others.
    pub(crate) session: Option<SessionId>,
    pub(crate) admission: Admission,
    pub(crate) caller: Caller,
}

impl Execute {
    /// Sends the result. The operation counts for no quota any more when its caller has it:
    /// the next one may come at once.
    pub(super) fn reply(
        self,
        outcome: Result<Completion, OperationError>,
        first_now: Micros,
        outgoing: &mut Outgoing,
    ) {
        drop(self.admission);
        self.caller.reply(outcome, first_now, outgoing);
    }
}

/// What the quotas of its principal mean for an operation.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It counts as a lease or a waiter until it was executed, if a quota applies. It no
    /// longer does when a caller has a result of its batch.
    Admitted { _in_flight: Option<InFlight> },
    /// A quota of this acquire is used up. It is executed only if its key is known, since
    /// it would lose its place otherwise.
    IfKeyIsKnown,
}

impl Admission {
    /// The admission of an operation that no quota applies to.
    pub(crate) const UNLIMITED: Self = Self::Admitted { _in_flight: None };
}

/// A waiter's request is no longer open.
#[derive(Debug)]
pub(crate) struct Leave {
    /// The principal of the request.
    pub(crate) sender: Arc<str>,
    pub(crate) name: Name,
    pub(crate) key: ClaimKey,
    /// `None` for a request that has its reply already: the database failed
    /// before it recorded the wait, or its end.
    pub(crate) request: Option<RequestId>,
    pub(crate) knows_key: KnowsKey,
    pub(crate) unexecuted: Unexecuted,
}

/// What becomes of an acquire that was not executed when its request leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unexecuted {
    /// It never is. Its caller, if there still is one, learns that the server is
    /// overloaded.
    Withdraw,
    /// It is executed first.
    Execute,
}

/// The recipient of a result.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) request: RequestId,
    pub(crate) reply: ReplyTo,
}

impl Caller {
    /// Sends the result, unless the caller is gone.
    pub(super) fn reply(
        self,
        outcome: Result<Completion, OperationError>,
        first_now: Micros,
        outgoing: &mut Outgoing,
    ) {
        outgoing.send(self.reply, OperationResult { outcome, first_now });
    }
}

/// The result of an operation.
#[derive(Debug)]
pub(crate) struct OperationResult {
    pub(crate) outcome: Result<Completion, OperationError>,
    /// The deciding clock in the first transaction that handled the request.
    pub(crate) first_now: Micros,
}

/// How a request completed.
#[derive(Debug)]
pub(crate) enum Completion {
    Reply(Reply),
    /// The request left before the wait of this claim ended.
    StillQueued(ClaimKey),
}

/// Why an operation failed.
#[derive(Debug, Clone)]
pub(crate) enum OperationError {
    Refused(Refusal),
    /// A quota of the acquire is used up, and its key is not known.
    QuotaExceeded,
    /// The database is unavailable, or the outcome of the commit is unknown; why,
    /// for the caller.
    Unavailable(&'static str),
    /// The request left before the operation was executed, and has withdrawn it.
    Overloaded,
    /// The database rejects this operation.
    Internal,
}
