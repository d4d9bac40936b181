//! Text that callers attach: owner, reason, metadata.

use std::collections::BTreeMap;
use std::fmt;

use crate::InvalidValue;
use crate::lenient::Lenient;
use crate::limits::{MAX_METADATA_BYTES, MAX_OWNER_BYTES, MAX_REASON_BYTES};
use crate::value::{checked_string, has_control};

/// A display name for the caller of an acquire: at most 256 bytes, no control
/// characters. It is not authenticated.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, max_length = 256))]
pub struct Owner(Box<str>);

checked_string!(Owner);

impl Owner {
    fn check(text: &str) -> Result<(), InvalidValue> {
        if text.len() > MAX_OWNER_BYTES || has_control(text) {
            let why =
                format!("must be at most {MAX_OWNER_BYTES} bytes and must not contain control characters");
            return Err(InvalidValue::new("owner", why));
        }
        Ok(())
    }
}

/// Why an operator force-releases a lease: 1 to 1,024 bytes, not blank, no
/// control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, min_length = 1, max_length = 1024))]
pub struct Reason(Box<str>);

checked_string!(Reason);

impl Reason {
    fn check(text: &str) -> Result<(), InvalidValue> {
        if text.trim().is_empty() || text.len() > MAX_REASON_BYTES || has_control(text) {
            let why = format!(
                "must be 1 to {MAX_REASON_BYTES} bytes, not blank, and must not contain control characters"
            );
            return Err(InvalidValue::new("reason", why));
        }
        Ok(())
    }
}

macro_rules! plain_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}
plain_text!(Owner);
plain_text!(Reason);

/// Key-value pairs that are shown with a lease: a flat object of strings, at
/// most 4 KiB of keys and values in total.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = BTreeMap<String, String>))]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// The pairs in the order of their keys.
    #[must_use]
    pub fn pairs(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Whether there are no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<String, String>> for Metadata {
    type Error = InvalidValue;

    fn try_from(pairs: BTreeMap<String, String>) -> Result<Self, InvalidValue> {
        let bytes: usize = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > MAX_METADATA_BYTES {
            let why = format!("must be at most {MAX_METADATA_BYTES} bytes in total, got {bytes}");
            return Err(InvalidValue::new("metadata", why));
        }
        if pairs.iter().any(|(key, value)| key.contains('\0') || value.contains('\0')) {
            return Err(InvalidValue::new("metadata", "must not contain U+0000"));
        }
        Ok(Self(pairs))
    }
}

impl Lenient for Metadata {
    type Wire = BTreeMap<String, String>;

    fn unchecked(pairs: Self::Wire) -> Self {
        Self(pairs)
    }
}

impl<'de> serde::Deserialize<'de> for Metadata {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(crate::json::distinct_pairs(deserializer)?).map_err(serde::de::Error::custom)
    }
}
