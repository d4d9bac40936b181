//! Who asks.

use std::sync::Arc;

/// Who an operation is done for. Idempotency keys belong to a principal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    name: Arc<str>,
}

impl Principal {
    /// Everyone, while the server asks nobody who they are.
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
