//! The caller of an operation.

use std::sync::Arc;

/// Maximum length of the name of a principal.
const MAX_NAME: usize = 128;

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

/// Whether a text can name a principal, and if not, why not.
pub(crate) fn check_principal_name(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("must be 1 to {MAX_NAME} visible ASCII characters"));
    }
    Ok(())
}
