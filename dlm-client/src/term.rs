//! The term of a lease as its holder may rely on it.

use std::time::Duration;

use dlm_protocol::Ttl;

use crate::clock::BootInstant;

/// The fixed part of the safety margin: scheduling and rounding.
const MARGIN: Duration = Duration::from_millis(5);
/// The proportional part of the safety margin: 1/500 is 0.2 %, twice the drift
/// between two quartz clocks.
const MARGIN_DIVISOR: u32 = 500;
/// A lease is renewed after this fraction of its TTL.
const RENEWAL_DIVISOR: u32 = 3;
/// Renewals are aligned to slots of this fraction of the renewal interval, so
/// that many leases share one request. Alignment only makes a renewal earlier.
const SLOTS: u32 = 16;

/// A term of a lease: from a grant or renewal to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term {
    started_at: BootInstant,
    ttl: Duration,
    deadline: BootInstant,
    expired_by: BootInstant,
}

impl Term {
    /// Computes the term that a reply describes.
    ///
    /// `sent_at` is when the answered attempt was sent, and `received_at` is when
    /// its reply arrived. `elapsed_ms` is what the server reported: at most the
    /// time between the arrival of the request and the start of the term.
    pub(crate) fn new(sent_at: BootInstant, received_at: BootInstant, elapsed_ms: i64, ttl: Ttl) -> Self {
        let ttl = Duration::from(ttl);
        let elapsed = Duration::from_millis(elapsed_ms.unsigned_abs());
        let (started_at, waited) = if elapsed_ms < 0 {
            (sent_at - elapsed, Duration::ZERO)
        } else {
            // A term never starts after the reply that describes it.
            let waited = elapsed.min(received_at.duration_since(sent_at));
            (sent_at + waited, waited)
        };
        let margin = MARGIN + (waited + ttl) / MARGIN_DIVISOR;
        Self { started_at, ttl, deadline: started_at + ttl - margin, expired_by: received_at + ttl + margin }
    }

    /// The guard's deadline. The server keeps the lease at least until then.
    pub(crate) fn deadline(&self) -> BootInstant {
        self.deadline
    }

    /// From this instant on, the server no longer keeps the lease.
    pub(crate) fn expired_by(&self) -> BootInstant {
        self.expired_by
    }

    /// The lease's TTL.
    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// This term, renewed into `next`. A renewal never moves the end to an
    /// earlier instant, not even when it shortens the TTL.
    pub(crate) fn renewed(self, next: Self) -> Self {
        Self {
            deadline: next.deadline.max(self.deadline),
            expired_by: next.expired_by.max(self.expired_by),
            ..next
        }
    }

    /// Records that the outcome of a renewal is unknown: the server may have
    /// started a new term at any time up to `now`.
    pub(crate) fn renewal_outcome_unknown(&mut self, now: BootInstant, ttl: Duration) {
        self.expired_by = self.expired_by.max(now + ttl);
    }

    /// When to renew: after a third of the TTL, moved forward to the start of a
    /// slot on a grid that begins at `origin`.
    pub(crate) fn renewal_due(&self, origin: BootInstant) -> BootInstant {
        let interval = self.ttl / RENEWAL_DIVISOR;
        let due = self.started_at + interval;
        let slot = (interval / SLOTS).as_nanos().max(1);
        let past_slot = due.duration_since(origin).as_nanos() % slot;
        due - Duration::from_nanos(u64::try_from(past_slot).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn term(sent_at: BootInstant, received_at: BootInstant, elapsed_ms: i64, ttl_ms: u64) -> Term {
        Term::new(sent_at, received_at, elapsed_ms, Ttl::from_millis(ttl_ms).unwrap())
    }

    #[test]
    fn deadline_is_send_instant_plus_elapsed_plus_ttl_minus_margin() {
        let sent_at = Clock::System.now();
        // margin: 5 ms + 0.2 % of (4 s + 30 s) = 73 ms
        let term = term(sent_at, sent_at + ms(4_500), 4_000, 30_000);
        assert_eq!(term.deadline(), sent_at + ms(34_000 - 73));
    }

    #[test]
    fn retry_of_an_earlier_grant_has_an_earlier_deadline_and_no_wait_in_its_margin() {
        let sent_at = Clock::System.now();
        // margin: 5 ms + 0.2 % of 10 s = 25 ms
        let term = term(sent_at, sent_at + ms(1), -3_000, 10_000);
        assert_eq!(term.deadline(), sent_at + ms(10_000 - 3_000 - 25));
    }

    #[test]
    fn elapsed_time_is_capped_at_the_round_trip() {
        let sent_at = Clock::System.now();
        let capped = term(sent_at, sent_at + ms(100), i64::MAX, 1_000);
        assert_eq!(capped, term(sent_at, sent_at + ms(100), 100, 1_000));
        let before_all = term(sent_at, sent_at + ms(100), i64::MIN, 1_000);
        assert!(before_all.deadline() < sent_at);
    }

    #[test]
    fn margin_leaves_most_of_the_shortest_ttl() {
        let sent_at = Clock::System.now();
        let term = term(sent_at, sent_at + ms(1), 0, 100);
        assert_eq!(term.deadline(), sent_at + Duration::from_micros(94_800));
    }

    #[test]
    fn renewal_with_a_shorter_ttl_keeps_the_later_deadline() {
        let sent_at = Clock::System.now();
        let long = term(sent_at, sent_at, 0, 30_000);
        let short = term(sent_at + ms(100), sent_at + ms(100), 0, 1_000);
        let renewed = long.renewed(short);
        assert_eq!(renewed.deadline(), long.deadline());
        assert_eq!(renewed.ttl(), ms(1_000));
    }

    #[test]
    fn unknown_renewal_outcome_moves_the_latest_expiry_but_not_the_deadline() {
        let sent_at = Clock::System.now();
        let mut lease = term(sent_at, sent_at, 0, 1_000);
        let deadline = lease.deadline();
        lease.renewal_outcome_unknown(sent_at + ms(600), ms(1_000));
        assert_eq!(lease.deadline(), deadline);
        assert_eq!(lease.expired_by(), sent_at + ms(1_600));
    }

    #[test]
    fn renewals_of_one_ttl_share_slots_and_are_never_late() {
        let origin = Clock::System.now();
        let due: Vec<_> = (0..100)
            .map(|i| {
                let sent_at = origin + ms(100 * i);
                let due = term(sent_at, sent_at, 0, 30_000).renewal_due(origin);
                assert!(due <= sent_at + ms(10_000), "never late");
                assert!(due > sent_at + ms(9_300), "at most one slot early");
                due
            })
            .collect();
        let mut slots = due.clone();
        slots.dedup();
        assert!(slots.len() <= 17, "{} requests for 100 leases", slots.len());
    }
}
