//! Counts the events of the log by second. The order of events does not matter.

use std::collections::BTreeMap;

use dlm_protocol::EventKind;

use super::histogram::Histogram;
use crate::store::LoggedEvent;

/// How many expired leases are kept.
const MAX_EXPIRED: usize = 10;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Seconds since the epoch.
pub(super) type Second = i64;

pub(super) const fn second_of(micros: i64) -> Second {
    micros.div_euclid(MICROS_PER_SECOND)
}

/// The events of one second.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) queued: u64,
    pub(super) granted: u64,
    pub(super) released: u64,
    pub(super) expired: u64,
    pub(super) force_released: u64,
    pub(super) cancelled: u64,
    pub(super) wait_timed_out: u64,
    /// The waits that ended with a grant.
    pub(super) waits: Histogram,
}

/// A lease that expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expired {
    pub(super) at: i64,
    pub(super) resource: String,
    pub(super) owner: String,
    pub(super) token: u64,
}

/// Event counts by second.
#[derive(Debug, Default)]
pub(super) struct Tally {
    seconds: BTreeMap<Second, Counts>,
    /// The leases that expired last, newest first.
    expired: Vec<Expired>,
}

impl Tally {
    pub(super) fn add(&mut self, event: &LoggedEvent<'_>) {
        let counts = self.seconds.entry(second_of(event.at)).or_default();
        match event.kind {
            EventKind::Queued => counts.queued += 1,
            EventKind::Granted => {
                counts.granted += 1;
                if let Some(ms) = event.waited_ms {
                    counts.waits.add(ms);
                }
            }
            EventKind::Released => counts.released += 1,
            EventKind::Expired => {
                counts.expired += 1;
                self.add_expired(event);
            }
            EventKind::ForceReleased => counts.force_released += 1,
            EventKind::Cancelled => counts.cancelled += 1,
            EventKind::WaitTimedOut => counts.wait_timed_out += 1,
            // Written by a newer server that shares the database.
            _ => {}
        }
    }

    fn add_expired(&mut self, event: &LoggedEvent<'_>) {
        let index = self.expired.partition_point(|expired| expired.at > event.at);
        if index == MAX_EXPIRED {
            return;
        }
        let expired = Expired {
            at: event.at,
            resource: event.resource.to_string(),
            owner: event.owner.to_string(),
            token: event.token.unwrap_or_default(),
        };
        self.expired.insert(index, expired);
        self.expired.truncate(MAX_EXPIRED);
    }

    pub(super) fn drop_before(&mut self, second: Second) {
        self.seconds = self.seconds.split_off(&second);
        self.expired.retain(|expired| second_of(expired.at) >= second);
    }

    pub(super) fn second(&self, second: Second) -> Option<&Counts> {
        self.seconds.get(&second)
    }

    /// The waits that ended since this second.
    pub(super) fn waits_since(&self, second: Second) -> Histogram {
        let mut waits = Histogram::default();
        self.seconds.range(second..).for_each(|(_, counts)| waits.merge(&counts.waits));
        waits
    }

    pub(super) fn expired(&self) -> &[Expired] {
        &self.expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, at_ms: i64) -> LoggedEvent<'static> {
        let text = format!(
            r#"{{"kind":"{}","resource":"r","token":{at_ms},"current_token":1,"version":1,"owner":"o","waited_ms":7,"queue_len":0,"at":{}}}"#,
            kind.as_str(),
            at_ms * 1000
        );
        serde_json::from_str(Box::leak(text.into_boxed_str())).unwrap()
    }

    #[test]
    fn events_are_counted_in_their_second_in_any_order() {
        let mut tally = Tally::default();
        for at in [2_500, 1_000, 2_999, 1_999] {
            tally.add(&event(EventKind::Granted, at));
        }
        tally.add(&event(EventKind::Queued, 2_000));
        assert_eq!(tally.second(1).unwrap().granted, 2);
        assert_eq!((tally.second(2).unwrap().granted, tally.second(2).unwrap().queued), (2, 1));
        assert_eq!(tally.waits_since(2).percentile(50), Some(7));
        tally.drop_before(2);
        assert!(tally.second(1).is_none() && tally.second(2).is_some());
    }

    #[test]
    fn the_last_expired_leases_are_kept_newest_first() {
        let mut tally = Tally::default();
        for at in (0..30).rev().chain(30..60) {
            tally.add(&event(EventKind::Expired, at));
        }
        let tokens: Vec<u64> = tally.expired().iter().map(|expired| expired.token).collect();
        assert_eq!(tokens, (50..60).rev().collect::<Vec<_>>());
    }
}
