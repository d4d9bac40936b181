use std::fmt;

use crate::InvalidValue;
use crate::value::checked_string;

/// The capability to renew and release one lease.
///
/// Opaque and unguessable. Whoever has it is the holder, so it is shown to the
/// holder alone: its `Debug` is redacted and it has no `Display`.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct LeaseId(Box<str>);

checked_string!(LeaseId);

impl LeaseId {
    /// Any other text is an id, of a lease that nobody ever had: that is for the
    /// server to say, and of the one lease alone.
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
    fn what_is_no_id_of_a_server_is_one_all_the_same() {
        for text in ["", "é", "with space", &"x".repeat(5000)] {
            assert!(LeaseId::try_from(text).is_ok(), "{text}");
        }
        assert!(LeaseId::try_from("a\0b").is_err());
    }

    #[test]
    fn debug_output_does_not_tell_the_id() {
        let id = LeaseId::try_from("s3cret").unwrap();
        assert!(!format!("{id:?}").contains("s3cret"));
    }
}
