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

/// Rounded down to microseconds, and to the nearest instant that a timestamp can be.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use dlm_protocol::Timestamp;
///
/// let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
/// assert_eq!(Timestamp::from(time).to_string(), "2026-01-01T00:00:00.000Z");
/// assert_eq!(SystemTime::from(Timestamp::from(time)), time);
/// ```
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)),
            Err(error) => {
                let before = error.duration().as_nanos().div_ceil(1_000);
                Self(i64::try_from(before).map_or(i64::MIN, |micros| -micros))
            }
        }
    }
}

/// The Unix epoch if the system can't represent the instant.
impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        let distance = Duration::from_micros(timestamp.0.unsigned_abs());
        let time = match timestamp.0 {
            0.. => UNIX_EPOCH.checked_add(distance),
            _ => UNIX_EPOCH.checked_sub(distance),
        };
        time.unwrap_or(UNIX_EPOCH)
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

    #[test]
    fn timestamp_converts_to_system_time_and_back_on_both_sides_of_the_epoch() {
        for micros in [0, 1, -1, 1_767_225_600_123_456, -1_767_225_600_123_456] {
            let instant = Timestamp::from_micros(micros);
            assert_eq!(Timestamp::from(SystemTime::from(instant)), instant);
        }
        let before = UNIX_EPOCH - Duration::from_nanos(1);
        assert_eq!(Timestamp::from(before), Timestamp::from_micros(-1), "rounded down");
        let after = UNIX_EPOCH + Duration::from_nanos(1_999);
        assert_eq!(Timestamp::from(after), Timestamp::from_micros(1), "rounded down");
    }
}
