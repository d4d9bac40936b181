//! Timestamps.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant on the deciding clock. On the wire it is RFC 3339 in UTC with
/// milliseconds; in memory it has microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = DateTime))]
pub struct Timestamp(i64);

impl Timestamp {
    /// Creates the instant from microseconds since the Unix epoch. Instants
    /// before the epoch are written as the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since_epoch = Duration::from_micros(u64::try_from(self.0).unwrap_or(0));
        humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch).fmt(f)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        let time: SystemTime = humantime::parse_rfc3339(&text).map_err(serde::de::Error::custom)?;
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_is_serialized_with_milliseconds_rounded_down() {
        let instant = Timestamp::from_micros(1_767_225_600_123_999);
        assert_eq!(serde_json::to_string(&instant).unwrap(), r#""2026-01-01T00:00:00.123Z""#);
    }

    #[test]
    fn timestamp_round_trips() {
        let instant: Timestamp = serde_json::from_str(r#""2026-01-01T00:00:00.123Z""#).unwrap();
        assert_eq!(instant.as_micros(), 1_767_225_600_123_000);
    }
}
