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
    /// The server's ids are far shorter; the bound keeps others out of it.
    const MAX_BYTES: usize = 1024;

    fn check(text: &str) -> Result<(), InvalidValue> {
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidValue::new("lease_id", "must be an id that this server gave out"));
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
    fn debug_output_does_not_tell_the_id() {
        let id = LeaseId::try_from("s3cret").unwrap();
        assert!(!format!("{id:?}").contains("s3cret"));
    }
}
