//! When a lease ends, as its holder may count on it.

use std::time::Duration;

use dlm_protocol::Ttl;

use crate::clock::Moment;

/// The part of the margin that does not grow: scheduling and rounding.
const MARGIN: Duration = Duration::from_millis(5);
/// The part that grows: 0.2 % is twice what two quartz clocks drift apart.
const MARGIN_DIVISOR: u32 = 500;
/// A lease is renewed when this part of its TTL is over.
const RENEWAL_DIVISOR: u32 = 3;
/// Renewals are put off to no later instant, but brought forward to the start
/// of a slot of this part of the interval, so that many go in one request.
const SLOTS: u32 = 16;

/// A term of a lease: from a grant or a renewal to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term {
    begun: Moment,
    ttl: Duration,
    deadline: Moment,
    gone: Moment,
}

impl Term {
    /// The term that an answer told of.
    ///
    /// `sent` is the instant the attempt that was answered was sent, `answered`
    /// the one its answer arrived, `elapsed_ms` what the server said: how long
    /// after the arrival of the request the term began, at the least.
    pub(crate) fn new(sent: Moment, answered: Moment, elapsed_ms: i64, ttl: Ttl) -> Self {
        let ttl = Duration::from(ttl);
        let elapsed = Duration::from_millis(elapsed_ms.unsigned_abs());
        let (begun, waited) = if elapsed_ms < 0 {
            (sent.minus(elapsed), Duration::ZERO)
        } else {
            // No term that the answer tells of begins after the answer.
            let waited = elapsed.min(answered.since(sent));
            (sent.plus(waited), waited)
        };
        let margin = MARGIN + (waited + ttl) / MARGIN_DIVISOR;
        Self { begun, ttl, deadline: begun.plus(ttl).minus(margin), gone: answered.plus(ttl).plus(margin) }
    }

    /// The guard's own deadline: until then the server keeps the lease.
    pub(crate) fn deadline(&self) -> Moment {
        self.deadline
    }

    /// From then on the server keeps the lease no more.
    pub(crate) fn gone(&self) -> Moment {
        self.gone
    }

    /// The lease's own TTL.
    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// This term, renewed into `next`. A renewal never moves the end to an
    /// earlier instant, also when it makes the TTL shorter.
    pub(crate) fn renewed(self, next: Self) -> Self {
        Self { deadline: next.deadline.max(self.deadline), gone: next.gone.max(self.gone), ..next }
    }

    /// A renewal was sent and not answered: it may have begun a term until now.
    pub(crate) fn perhaps_renewed(&mut self, now: Moment, ttl: Duration) {
        self.gone = self.gone.max(now.plus(ttl));
    }

    /// When to renew: after a third of the TTL, brought forward to a slot of a
    /// grid that begins at `origin`.
    pub(crate) fn renewal_due(&self, origin: Moment) -> Moment {
        let interval = self.ttl / RENEWAL_DIVISOR;
        let due = self.begun.plus(interval);
        let slot = (interval / SLOTS).as_nanos().max(1);
        let past_slot = due.since(origin).as_nanos() % slot;
        due.minus(Duration::from_nanos(u64::try_from(past_slot).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn term(sent: Moment, answered: Moment, elapsed_ms: i64, ttl_ms: u64) -> Term {
        Term::new(sent, answered, elapsed_ms, Ttl::from_millis(ttl_ms).unwrap())
    }

    #[test]
    fn the_deadline_is_send_instant_and_elapsed_and_ttl_less_the_margin() {
        let sent = Moment::now();
        // margin: 5 ms + 0.2 % of (4 s + 30 s) = 73 ms
        let term = term(sent, sent.plus(ms(4_500)), 4_000, 30_000);
        assert_eq!(term.deadline(), sent.plus(ms(34_000 - 73)));
    }

    #[test]
    fn a_repeat_whose_term_began_before_it_ends_earlier_and_has_no_wait_in_its_margin() {
        let sent = Moment::now();
        // margin: 5 ms + 0.2 % of 10 s = 25 ms
        let term = term(sent, sent.plus(ms(1)), -3_000, 10_000);
        assert_eq!(term.deadline(), sent.plus(ms(10_000 - 3_000 - 25)));
    }

    #[test]
    fn an_elapsed_time_past_the_answer_is_not_believed() {
        let sent = Moment::now();
        let told = term(sent, sent.plus(ms(100)), i64::MAX, 1_000);
        assert_eq!(told, term(sent, sent.plus(ms(100)), 100, 1_000));
        let before_all = term(sent, sent.plus(ms(100)), i64::MIN, 1_000);
        assert!(before_all.deadline() < sent);
    }

    #[test]
    fn the_shortest_ttl_keeps_most_of_itself() {
        let sent = Moment::now();
        let term = term(sent, sent.plus(ms(1)), 0, 100);
        assert_eq!(term.deadline(), sent.plus(Duration::from_micros(94_800)));
    }

    #[test]
    fn a_renewal_with_a_shorter_ttl_keeps_the_later_deadline() {
        let sent = Moment::now();
        let long = term(sent, sent, 0, 30_000);
        let short = term(sent.plus(ms(100)), sent.plus(ms(100)), 0, 1_000);
        let renewed = long.renewed(short);
        assert_eq!(renewed.deadline(), long.deadline());
        assert_eq!(renewed.ttl(), ms(1_000));
    }

    #[test]
    fn a_renewal_without_an_answer_moves_only_the_instant_the_lease_is_surely_gone() {
        let sent = Moment::now();
        let mut lease = term(sent, sent, 0, 1_000);
        let deadline = lease.deadline();
        lease.perhaps_renewed(sent.plus(ms(600)), ms(1_000));
        assert_eq!(lease.deadline(), deadline);
        assert_eq!(lease.gone(), sent.plus(ms(1_600)));
    }

    #[test]
    fn renewals_of_one_ttl_fall_into_common_slots_and_are_never_late() {
        let origin = Moment::now();
        let due: Vec<_> = (0..100)
            .map(|i| {
                let sent = origin.plus(ms(100 * i));
                let due = term(sent, sent, 0, 30_000).renewal_due(origin);
                assert!(due <= sent.plus(ms(10_000)), "never late");
                assert!(due > sent.plus(ms(9_300)), "brought forward by a slot at most");
                due
            })
            .collect();
        let mut slots = due.clone();
        slots.dedup();
        assert!(slots.len() <= 17, "{} requests for 100 leases", slots.len());
    }
}
