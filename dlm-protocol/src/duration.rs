//! Durations in whole milliseconds with bounds.

use std::time::Duration;

use crate::InvalidValue;
use crate::limits::{DEFAULT_TTL_MS, MAX_TTL_MS, MAX_WAIT_MS, MAX_WITHIN_MS, MIN_TTL_MS, MIN_WITHIN_MS};

macro_rules! bounded_millis {
    ($name:ident, $what:literal, $min:expr, $max:expr) => {
        impl $name {
            /// Creates the duration from whole milliseconds.
            ///
            /// # Errors
            ///
            /// [`InvalidValue`] if the duration is out of range.
            pub fn from_millis(millis: u64) -> Result<Self, InvalidValue> {
                if (($min)..=($max)).contains(&millis) {
                    Ok(Self(millis))
                } else {
                    Err(InvalidValue::new(
                        $what,
                        format!("must be between {} and {}, got {millis}", $min, $max),
                    ))
                }
            }

            /// The duration in whole milliseconds.
            #[must_use]
            pub const fn as_millis(self) -> u64 {
                self.0
            }
        }

        impl From<$name> for Duration {
            fn from(millis: $name) -> Self {
                Duration::from_millis(millis.0)
            }
        }

        impl TryFrom<Duration> for $name {
            type Error = InvalidValue;

            fn try_from(duration: Duration) -> Result<Self, InvalidValue> {
                Self::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
            }
        }

        impl crate::lenient::Lenient for $name {
            type Wire = u64;

            fn unchecked(millis: u64) -> Self {
                Self(millis)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::from_millis(crate::json::whole_number(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// The TTL of a lease, counted from its grant or last renewal: 100 ms to one
/// day, in whole milliseconds. The default is 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = u64, minimum = 100, maximum = 86_400_000))]
#[serde(transparent)]
pub struct Ttl(u64);

bounded_millis!(Ttl, "ttl_ms", MIN_TTL_MS, MAX_TTL_MS);

impl Default for Ttl {
    fn default() -> Self {
        Self(DEFAULT_TTL_MS)
    }
}

/// How long an acquire may wait in the queue: 0 to one day, in whole
/// milliseconds. With 0, the default, it fails at once when the lock is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = u64, maximum = 86_400_000))]
#[serde(transparent)]
pub struct Wait(u64);

bounded_millis!(Wait, "wait_ms", 0, MAX_WAIT_MS);

impl Wait {
    /// The longest possible wait: one day.
    pub const MAX: Self = Self(MAX_WAIT_MS);
}

/// How long a holder that is asked to let go has: one second to one hour, in whole
/// milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = u64, minimum = 1_000, maximum = 3_600_000))]
#[serde(transparent)]
pub struct Within(u64);

bounded_millis!(Within, "within_ms", MIN_WITHIN_MS, MAX_WITHIN_MS);
