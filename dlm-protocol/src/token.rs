//! Fencing tokens.

use std::fmt;
use std::num::TryFromIntError;

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

    /// The number, for example to store it in a column. SQL has signed integers only:
    /// `i64::try_from(token)` gives one, for a `BIGINT` column.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// For a `BIGINT` column, in which SQL compares tokens correctly. Fails above `i64::MAX`, where
/// no server counts to.
///
/// ```
/// use dlm_protocol::FencingToken;
///
/// let column = i64::try_from(FencingToken::new(42))?;
/// assert_eq!(FencingToken::try_from(column)?, FencingToken::new(42));
/// assert!(FencingToken::try_from(-1).is_err());
/// # Ok::<_, std::num::TryFromIntError>(())
/// ```
impl TryFrom<FencingToken> for i64 {
    type Error = TryFromIntError;

    fn try_from(token: FencingToken) -> Result<Self, Self::Error> {
        token.0.try_into()
    }
}

/// From a `BIGINT` column. Fails if the number is negative.
impl TryFrom<i64> for FencingToken {
    type Error = TryFromIntError;

    fn try_from(token: i64) -> Result<Self, Self::Error> {
        token.try_into().map(Self)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_stored_in_a_signed_column_unless_it_is_too_large_for_it() {
        let largest = FencingToken::new(i64::MAX as u64);
        assert_eq!(i64::try_from(largest), Ok(i64::MAX));
        assert_eq!(FencingToken::try_from(i64::MAX), Ok(largest));
        assert!(i64::try_from(FencingToken::new(largest.get() + 1)).is_err());
        assert!(FencingToken::try_from(-1).is_err());
    }
}
