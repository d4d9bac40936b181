//! Fencing tokens.

use std::fmt;

/// The fencing token of a grant. Later grants of a resource have larger tokens.
///
/// Pass it to the storage with every write. A storage that rejects tokens
/// smaller than the largest it has seen rejects writes of stale holders. The
/// tokens of *exclusive* leases order their holders; those of shared leases
/// only identify them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct FencingToken(u64);

impl FencingToken {
    /// Creates the token with this number.
    #[must_use]
    pub const fn new(token: u64) -> Self {
        Self(token)
    }

    /// The number, for example to store it in a column.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de> serde::Deserialize<'de> for FencingToken {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::json::whole_number(deserializer).map(Self)
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
