//! Instants in TOML.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use toml::value::{Datetime, Offset};

/// The instant of a date, a time and an offset; `None` if one of them is missing, or if
/// it is before 1970.
pub(super) fn instant(datetime: &Datetime) -> Option<SystemTime> {
    let (date, time, offset) = (datetime.date?, datetime.time?, datetime.offset?);
    let minutes_ahead = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let minutes = i64::from(time.hour) * 60 + i64::from(time.minute) - minutes_ahead;
    let seconds = days * 86_400 + minutes * 60 + i64::from(time.second);
    let seconds = u64::try_from(seconds).ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, time.nanosecond))
}

/// Days from the first of January 1970 to a day of the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Counting from March on, the leap day is the last day of a year.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days_of_months = (153 * month + 2) / 5;
    365 * year + leap_days + days_of_months + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        let instant = instant(&text.parse().unwrap())?;
        Some(instant.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn an_instant_is_the_same_in_every_offset() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2027-01-01T00:00:00Z"), Some(1_798_761_600));
        assert_eq!(seconds("2027-01-01T05:30:00+05:30"), Some(1_798_761_600));
        assert_eq!(seconds("2026-12-31 16:00:00.9-08:00"), Some(1_798_761_600));
    }

    #[test]
    fn every_day_has_its_number() {
        // As humantime counts.
        for day in (0..200_000_u64).step_by(7).chain(10_900..11_100) {
            let expected = UNIX_EPOCH + Duration::from_secs(day * 86_400);
            let text = humantime::format_rfc3339_seconds(expected).to_string();
            assert_eq!(seconds(&text), Some(day * 86_400), "{text}");
        }
    }

    #[test]
    fn an_instant_needs_a_date_a_time_and_an_offset() {
        for text in ["2027-01-01", "2027-01-01T00:00:00", "00:00:00", "1969-12-31T23:59:59Z"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
