//! The caller of an operation.

use std::sync::Arc;

/// The identity that an operation is executed for. Idempotency keys and leases
/// belong to a principal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    name: Arc<str>,
}

impl Principal {
    /// The principal of every caller while no authentication is configured. With
    /// authentication it may do nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: Arc::from("") }
    }

    /// The principal with a name. Whoever makes one has checked a credential.
    pub(crate) fn named(name: Arc<str>) -> Self {
        Self { name }
    }

    /// The name that keys are stored under; empty for the anonymous principal.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}
