use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant on the deciding clock: RFC 3339 UTC with milliseconds on the
/// wire, microseconds since the epoch inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = DateTime))]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant this many microseconds after the epoch. Instants before the
    /// epoch have no place on the wire and are taken for the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
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
    fn an_instant_is_written_with_milliseconds_and_rounded_down() {
        let instant = Timestamp::from_micros(1_767_225_600_123_999);
        assert_eq!(serde_json::to_string(&instant).unwrap(), r#""2026-01-01T00:00:00.123Z""#);
    }

    #[test]
    fn an_instant_is_read_back() {
        let instant: Timestamp = serde_json::from_str(r#""2026-01-01T00:00:00.123Z""#).unwrap();
        assert_eq!(instant.as_micros(), 1_767_225_600_123_000);
    }
}
