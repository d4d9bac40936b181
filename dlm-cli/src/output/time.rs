//! Instants, relative to now and absolute.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dlm_client::Timestamp;

/// The wall clock when an output began, so that all its times agree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    now_micros: i64,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "shown beside the server's wall clock, decides nothing")]
    pub(crate) fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { now_micros: i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX) }
    }

    #[cfg(test)]
    pub(crate) fn at(instant: Timestamp) -> Self {
        Self { now_micros: instant.as_micros() }
    }

    /// The instant that this clock shows.
    pub(crate) fn instant(self) -> Timestamp {
        Timestamp::from_micros(self.now_micros)
    }

    /// Such as `3m 20s ago` or `in 5s`.
    pub(crate) fn relative(self, instant: Timestamp) -> String {
        let away = instant.as_micros().saturating_sub(self.now_micros);
        let length = duration(Duration::from_micros(away.unsigned_abs()));
        match away {
            ..=-1_000_000 => format!("{length} ago"),
            1_000_000.. => format!("in {length}"),
            _ => "now".into(),
        }
    }

    /// Both, as in `in 5s (2026-01-01T00:00:30.000Z)`.
    pub(crate) fn both(self, instant: Timestamp) -> String {
        format!("{} ({instant})", self.relative(instant))
    }

    /// The time since an instant, such as `3m 20s`.
    pub(crate) fn since(self, instant: Timestamp) -> String {
        let past = self.now_micros.saturating_sub(instant.as_micros()).max(0);
        duration(Duration::from_micros(past.unsigned_abs()))
    }
}

/// The two largest units: `2d 3h`, `3m 20s`, `5s`.
pub(crate) fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let units =
        [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let shown = units[first..].iter().take(2).enumerate();
    let shown = shown.filter(|(index, (count, _))| *index == 0 || *count > 0);
    shown.map(|(_, (count, unit))| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

/// Such as `12ms`, and from a second on as [`duration`].
pub(crate) fn milliseconds(ms: u64) -> String {
    if ms < 1000 { format!("{ms}ms") } else { duration(Duration::from_millis(ms)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_second_is_shown_in_milliseconds() {
        assert_eq!([0, 999, 1000, 200_900].map(milliseconds), ["0ms", "999ms", "1s", "3m 20s"]);
    }

    #[test]
    fn duration_has_its_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (5, "5s"),
            (60, "1m"),
            (200, "3m 20s"),
            (3_600, "1h"),
            (3_605, "1h"),
            (183_600, "2d 3h"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn instants_are_relative_to_now() {
        let clock = Clock::at(Timestamp::from_micros(1_767_225_600_000_000));
        let shown =
            |seconds: i64| clock.relative(Timestamp::from_micros(clock.now_micros + seconds * 1_000_000));
        assert_eq!([shown(-200), shown(0), shown(5)], ["3m 20s ago", "now", "in 5s"]);
        let both = clock.both(Timestamp::from_micros(clock.now_micros + 30_000_000));
        assert_eq!(both, "in 30s (2026-01-01T00:00:30.000Z)");
    }
}
