//! The defaults that a client applies to each lock request.

use dlm_protocol::{Owner, Ttl};

/// Applied to a lock request unless the request overrides them.
#[derive(Debug, Default)]
pub(crate) struct LockDefaults {
    pub(crate) owner: Owner,
    pub(crate) ttl: Ttl,
}
