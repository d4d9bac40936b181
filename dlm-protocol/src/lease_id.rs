//! Lease ids.

use std::fmt;

use crate::InvalidValue;
use crate::value::checked_string;

/// The capability to renew and release one lease.
///
/// Opaque and unguessable. Possession of it is what makes a holder, so only the
/// holder receives it: its `Debug` is redacted and it has no `Display`.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct LeaseId(Box<str>);

checked_string!(LeaseId);

impl LeaseId {
    /// Only U+0000 is rejected here. The server reports an unknown id for the
    /// one lease concerned, so that one bad id does not fail a renewal of
    /// several leases.
    fn check(text: &str) -> Result<(), InvalidValue> {
        if text.contains('\0') {
            return Err(InvalidValue::new("lease_id", "must not contain U+0000"));
        }
        Ok(())
    }
}

impl fmt::Debug for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseId(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_without_nul_is_accepted() {
        for text in ["", "é", "with space", &"x".repeat(5000)] {
            assert!(LeaseId::try_from(text).is_ok(), "{text}");
        }
        assert!(LeaseId::try_from("a\0b").is_err());
    }

    #[test]
    fn debug_output_is_redacted() {
        let id = LeaseId::try_from("s3cret").unwrap();
        assert!(!format!("{id:?}").contains("s3cret"));
    }
}
