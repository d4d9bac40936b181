//! What the session reports without being asked.

use dlm_protocol::{LeaseEnded, ReleaseNotice};

#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// A new socket is up. The server does not associate any lease with it yet.
    Up,
    /// A lease expired or was force-released.
    LeaseEnded(LeaseEnded),
    /// The holder of a lease is asked to let go of it.
    ReleaseRequested(Box<ReleaseNotice>),
}
