//! The caller of an operation.

use std::sync::Arc;

/// The identity that an operation is executed for. Idempotency keys belong to a
/// principal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    name: Arc<str>,
}

impl Principal {
    /// The principal of every caller while no authentication is configured.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: Arc::from("") }
    }

    /// The name that keys are stored under.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}
