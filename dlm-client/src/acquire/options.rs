//! What to acquire, and how long to wait for it.

use dlm_protocol::{AcquireRequest, IdempotencyKey, ResourceName, Wait};

use crate::place::PlaceSender;
use crate::retry;

/// A lock to acquire.
#[derive(Debug)]
pub(crate) struct AcquireOptions {
    pub(crate) resource: ResourceName,
    /// The request to send, except for its wait.
    pub(crate) request: AcquireRequest,
    /// The caller's key. Without one, each attempt generates a key.
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) wait: WaitPolicy,
    pub(crate) auto_renew: bool,
    /// Where to report the place in the queue.
    pub(crate) places: Option<PlaceSender>,
}

/// How long to wait for a lock that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitPolicy {
    /// Do not wait.
    NoWait,
    /// Wait at most this long.
    AtMost(Wait),
    /// Wait until the lock is granted.
    Forever,
}

impl WaitPolicy {
    /// The wait to request from the server. It keeps a waiter for a day at most.
    pub(super) fn server_wait(self) -> Wait {
        match self {
            Self::NoWait => Wait::default(),
            Self::AtMost(wait) => wait,
            Self::Forever => Wait::MAX,
        }
    }

    /// How often to retry over transient errors. A caller that does not wait for
    /// the lock does not wait long for the server either.
    pub(super) fn max_retries(self) -> usize {
        if self == Self::NoWait { retry::MAX_RETRIES } else { usize::MAX }
    }
}
