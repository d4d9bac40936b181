//! Idempotency keys.

use std::fmt;
use std::sync::Arc;

use crate::InvalidValue;
use crate::limits::MAX_KEY_BYTES;
use crate::value::checked_string;

/// An idempotency key: 1 to 255 visible ASCII characters.
///
/// It identifies one acquire across retries. A key is scoped to a principal and
/// a resource. Prefer time-ordered keys such as UUIDv7: they stay close
/// together in the server's index, where random keys cost several times as much
/// once the index is large.
///
/// ```
/// use dlm_protocol::IdempotencyKey;
///
/// assert!("job-7:attempt".parse::<IdempotencyKey>().is_ok());
/// assert!("with space".parse::<IdempotencyKey>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, min_length = 1, max_length = 255))]
pub struct IdempotencyKey(Arc<str>);

checked_string!(IdempotencyKey);

impl IdempotencyKey {
    fn check(text: &str) -> Result<(), InvalidValue> {
        if text.is_empty() || text.len() > MAX_KEY_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidValue::new(
                "idempotency key",
                format!("must be 1 to {MAX_KEY_BYTES} visible ASCII characters"),
            ));
        }
        Ok(())
    }

    /// The key as shared text. Does not allocate.
    #[must_use]
    pub fn to_shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Redacted: who knows the key can obtain the lease that was granted under it.
impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_is_redacted() {
        let key = IdempotencyKey::try_from("job-7").unwrap();
        assert!(!format!("{key:?}").contains("job-7"));
        assert_eq!(key.to_string(), "job-7");
    }
}
