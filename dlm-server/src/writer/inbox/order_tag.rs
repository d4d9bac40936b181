//! What puts jobs in order.

use std::sync::Arc;

use dlm_engine::{ClaimKey, Op};

use super::Sender;
use crate::store::Name;
use crate::writer::job::{Execute, Job, SessionId};

/// Jobs with a tag in common are executed in the order in which they were enqueued.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum OrderTag {
    /// They have one sender and concern one idempotency key. Which claim that is, its
    /// own or one that it inherits, is known once they are executed.
    Key(Name, Sender, Arc<str>),
    /// They come from one session and concern one resource.
    Session(Name, SessionId),
}

/// The tags of a job.
pub(super) fn of(job: &Job) -> impl Iterator<Item = OrderTag> + use<> {
    let (name, key, session) = match job {
        Job::Execute(Execute { name, op, session, .. }) => (name, key_of(op), *session),
        Job::Leave(leave) => (&leave.name, Some(&leave.key), None),
        // A recheck replies to earlier requests only. Maintenance concerns no claim
        // that is in use.
        Job::Recheck(..) | Job::Maintenance(_) => return None.into_iter().chain(None),
    };
    let key = key.map(|key| OrderTag::Key(Name::clone(name), job.sender().cloned(), Arc::clone(&key.key)));
    let session = session.map(|session| OrderTag::Session(Name::clone(name), session));
    key.into_iter().chain(session)
}

/// The claim that an operation concerns.
pub(super) fn key_of(op: &Op) -> Option<&ClaimKey> {
    match op {
        Op::Acquire { key, .. }
        | Op::Leave { key, .. }
        | Op::Cancel { key }
        | Op::Renew { key, .. }
        | Op::Release { key, .. } => Some(key),
        // A lease with a token was granted, so no acquire of it waits for its first
        // execution. A sweep is nobody's request.
        Op::ForceRelease { .. } | Op::RequestRelease { .. } | Op::Check { .. } | Op::Sweep { .. } => None,
    }
}
