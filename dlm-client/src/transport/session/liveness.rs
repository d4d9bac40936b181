//! Whether the server of a session still responds.

use std::time::Duration;

use tokio_tungstenite::tungstenite::Bytes;

use crate::clock::BootInstant;

/// The server is dead after this many consecutive pings without an answer. Pings
/// are counted rather than time: if this process was stopped, the answers are
/// waiting to be read.
const MAX_UNANSWERED_PINGS: u32 = 6;
/// How long a server may be silent after a request timed out. Where other requests
/// can use HTTP meanwhile, no request needs a verdict sooner than the pings give it.
const MAX_SILENCE_WITH_HTTP: Duration = Duration::from_secs(5);
const MAX_SILENCE_WITHOUT_HTTP: Duration = Duration::from_secs(1);
/// A server is never dead before this many of its usual round trips have passed.
const ROUND_TRIPS: u32 = 4;

/// What is known about the liveness of the server.
#[derive(Debug)]
pub(super) struct Liveness {
    opened_at: BootInstant,
    last_received: BootInstant,
    unanswered_pings: u32,
    /// Since when nothing was received, if a request timed out in that time.
    silent_since: Option<BootInstant>,
    max_silence: Duration,
    /// Follows a longer round trip at once, and shorter ones slowly.
    round_trip: Duration,
}

impl Liveness {
    /// `has_http` says whether requests may use HTTP while the server is silent.
    pub(super) fn new(now: BootInstant, has_http: bool) -> Self {
        Self {
            opened_at: now,
            last_received: now,
            unanswered_pings: 0,
            silent_since: None,
            max_silence: if has_http { MAX_SILENCE_WITH_HTTP } else { MAX_SILENCE_WITHOUT_HTTP },
            round_trip: Duration::ZERO,
        }
    }

    /// Records that something was received. Returns whether that ends a silence.
    pub(super) fn received(&mut self, now: BootInstant) -> bool {
        self.last_received = now;
        self.unanswered_pings = 0;
        self.silent_since.take().is_some()
    }

    /// Records the answer to a ping. Returns the round trip, if the answer has the
    /// content of a ping.
    pub(super) fn ponged(&mut self, content: &[u8], now: BootInstant) -> Option<Duration> {
        let sent = Duration::from_micros(u64::from_be_bytes(content.try_into().ok()?));
        let round_trip = now.duration_since(self.opened_at).checked_sub(sent)?;
        self.round_trip = round_trip.max((7 * self.round_trip + round_trip) / 8);
        Some(self.round_trip)
    }

    /// The content of a ping that is sent now.
    pub(super) fn ping(&self, now: BootInstant) -> Bytes {
        let since = u64::try_from(now.duration_since(self.opened_at).as_micros()).unwrap_or(u64::MAX);
        Bytes::copy_from_slice(&since.to_be_bytes())
    }

    /// Records that a second has passed since the last ping. Returns whether the
    /// server is dead.
    pub(super) fn ping_is_due(&mut self) -> bool {
        self.unanswered_pings += 1;
        self.unanswered_pings > MAX_UNANSWERED_PINGS
    }

    /// Records that a request sent at `sent_at` timed out. Returns whether a silence
    /// begins.
    pub(super) fn timed_out(&mut self, sent_at: BootInstant) -> bool {
        if self.last_received >= sent_at || self.silent_since.is_some() {
            return false;
        }
        self.silent_since = Some(sent_at);
        true
    }

    /// When the server is dead if it stays silent; `None` if it is not silent.
    pub(super) fn dead_at(&self) -> Option<BootInstant> {
        Some(self.silent_since? + self.max_silence.max(ROUND_TRIPS * self.round_trip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn server_is_dead_only_after_a_silence_that_its_round_trips_do_not_explain() {
        let start = Clock::System.now();
        let mut liveness = Liveness::new(start, false);
        assert!(!liveness.timed_out(start), "something was received since");
        assert_eq!(liveness.dead_at(), None);

        let ping = liveness.ping(start + 100 * MS);
        assert_eq!(liveness.ponged(&ping, start + 500 * MS), Some(400 * MS));
        assert!(liveness.timed_out(start + 600 * MS));
        assert_eq!(liveness.dead_at(), Some(start + 600 * MS + 1_600 * MS));
        assert!(liveness.received(start + 700 * MS));
        assert_eq!(liveness.dead_at(), None);
    }

    #[test]
    fn round_trip_grows_at_once_and_shrinks_slowly() {
        let start = Clock::System.now();
        let mut liveness = Liveness::new(start, true);
        let ping = liveness.ping(start);
        assert_eq!(liveness.ponged(&ping, start + 800 * MS), Some(800 * MS));
        assert_eq!(liveness.ponged(&ping, start), Some(700 * MS));
        assert_eq!(liveness.ponged(b"", start), None);
        assert_eq!(liveness.ponged(&u64::MAX.to_be_bytes(), start), None);
    }
}
