//! Resource names.

use std::fmt;
use std::sync::Arc;

use crate::InvalidValue;
use crate::limits::MAX_NAME_BYTES;
use crate::value::{checked_string, has_control};

/// The name of a resource that can be locked.
///
/// 1 to 256 bytes of UTF-8 without control and bidirectional formatting
/// characters, and neither `.` nor `..`. Names are case-sensitive and have no
/// hierarchy: `a`, `a/b` and `A` are three independent resources. Cloning is
/// cheap.
///
/// ```
/// use dlm_protocol::ResourceName;
///
/// let name: ResourceName = "orders/42".parse()?;
/// assert_eq!(name.as_str(), "orders/42");
/// assert!("".parse::<ResourceName>().is_err());
/// # Ok::<_, dlm_protocol::InvalidValue>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, min_length = 1, max_length = 256))]
pub struct ResourceName(Arc<str>);

checked_string!(ResourceName);

impl ResourceName {
    /// Bidirectional formatting could make a name look like another one on an
    /// operator's screen.
    fn is_bidi_format(c: char) -> bool {
        matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }

    fn check(text: &str) -> Result<(), InvalidValue> {
        let invalid = |why: &str| Err(InvalidValue::new("resource name", why));
        if text.is_empty() {
            return invalid("must not be empty");
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(InvalidValue::new(
                "resource name",
                format!("must be at most {MAX_NAME_BYTES} bytes, got {}", text.len()),
            ));
        }
        if text == "." || text == ".." {
            return invalid("must not be `.` or `..`");
        }
        if has_control(text) {
            return invalid("must not contain control characters");
        }
        if text.chars().any(Self::is_bidi_format) {
            return invalid("must not contain bidirectional formatting characters");
        }
        Ok(())
    }

    /// The name as shared text. Does not allocate.
    #[must_use]
    pub fn to_shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_without_control_characters_is_a_name() {
        for name in ["a", "a/b", "A", "%", " ", "🔒", "...", "orders%2F42", &"x".repeat(256)] {
            assert!(ResourceName::try_from(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn misleading_names_are_refused() {
        let long = "x".repeat(257);
        for name in ["", ".", "..", "a\nb", "a\u{0}b", "a\u{85}b", "a\u{202e}b", "a\u{200f}b", &long] {
            assert!(ResourceName::try_from(name).is_err(), "{name:?}");
        }
    }
}
