//! How long a writer stays awake for jobs that are likely to come soon.
//!
//! A caller that just received a reply often sends its next job at once. The writer
//! *polls* for it, since a sleeping thread takes longer to wake up, and it *gathers*: a
//! batch waits for the callers of the last one, because one sync for all is worth it.

use std::time::Duration;

/// How long an idle writer polls with one spare processor for each writer.
const POLL: Duration = Duration::from_micros(100);
/// The most spare processors for each writer that lengthen the polling.
const MAX_SPARE: u32 = 2;
/// A longer pause counts as this many times [`POLL`], so that one long pause among short
/// ones is soon forgotten.
const LONG_PAUSE: u32 = 4;
/// A batch gathers until this many commits could have been made since the last reply.
const GATHER_COMMITS: u32 = 2;
/// The longest time to gather, on a slow disk.
const MAX_GATHER: Duration = Duration::from_millis(1);

/// When the callers of a writer come back, and what a commit takes.
#[derive(Debug)]
pub(super) struct Pace {
    /// The longest polling. Zero on a machine with a single processor, where the callers
    /// need it.
    max_poll: Duration,
    /// The usual pause between two batches.
    pause: Duration,
    /// The usual duration of a commit.
    commit: Duration,
    /// How many callers received a reply since the last batch was gathered.
    replied: usize,
    /// When the last of them did.
    replied_at: Duration,
}

/// What a batch waits for before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gathering {
    /// How many jobs are likely to come.
    pub(super) expected: usize,
    /// When to begin without them.
    pub(super) until: Duration,
    /// When to begin before that: if no job has come for this long.
    pub(super) pause: Duration,
}

impl Pace {
    /// For one of so many writers.
    pub(super) fn new(processors: usize, writers: usize) -> Self {
        Self {
            max_poll: max_poll(processors, writers),
            pause: Duration::ZERO,
            commit: Duration::ZERO,
            replied: 0,
            replied_at: Duration::ZERO,
        }
    }

    /// The processors are shared by so many writers from now on.
    pub(super) fn share(&mut self, processors: usize, writers: usize) {
        self.max_poll = max_poll(processors, writers);
    }

    /// How long to poll for a job before the thread sleeps. Nothing if the pauses are
    /// usually longer: polling would only take the processor away from others.
    pub(super) fn poll(&self) -> Duration {
        if self.pause <= self.max_poll { self.max_poll } else { Duration::ZERO }
    }

    /// Records how long the writer waited for a job.
    pub(super) fn waited(&mut self, pause: Duration) {
        self.pause = (self.pause + pause.min(LONG_PAUSE * POLL)) / 2;
    }

    /// Records the duration of a commit.
    pub(super) fn committed(&mut self, duration: Duration) {
        self.commit = (3 * self.commit + duration) / 4;
    }

    /// Records that a caller receives a reply.
    pub(super) fn replied(&mut self) {
        self.replied += 1;
    }

    /// Records that all replies of a batch have left.
    pub(super) fn delivered(&mut self, now: Duration) {
        self.replied_at = now;
    }

    /// What the next batch waits for. Its time counts from the last reply, so that a job
    /// that comes later waits for nobody.
    pub(super) fn gathering(&mut self) -> Gathering {
        let expected = std::mem::take(&mut self.replied);
        let longest = (GATHER_COMMITS * self.commit).min(MAX_GATHER);
        Gathering { expected, until: self.replied_at + longest, pause: longest / 4 }
    }
}

/// The longest polling of one of so many writers.
fn max_poll(processors: usize, writers: usize) -> Duration {
    let writers = u32::try_from(writers.max(1)).unwrap_or(u32::MAX);
    let spare = u32::try_from(processors.saturating_sub(1)).unwrap_or(u32::MAX);
    POLL * spare.min(writers.saturating_mul(MAX_SPARE)) / writers
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn writer_polls_while_jobs_come_soon_and_stops_when_they_do_not() {
        let mut pace = Pace::new(2, 1);
        assert_eq!(pace.poll(), POLL);
        pace.waited(POLL / 2);
        pace.waited(1_000 * MS);
        assert_eq!(pace.poll(), Duration::ZERO);
        (0..5).for_each(|_| pace.waited(POLL / 2));
        assert_eq!(pace.poll(), POLL, "one long pause is forgotten");
    }

    #[test]
    fn polling_depends_on_the_processors_that_are_left_for_each_writer() {
        assert_eq!(Pace::new(1, 1).poll(), Duration::ZERO);
        assert_eq!(Pace::new(2, 4).poll(), POLL / 4);
        assert_eq!(Pace::new(64, 4).poll(), MAX_SPARE * POLL);
    }

    #[test]
    fn batch_gathers_from_the_last_reply_on_for_a_time_that_follows_the_commits() {
        let mut pace = Pace::new(2, 1);
        pace.replied();
        pace.replied();
        pace.delivered(5 * MS);
        let gathering = pace.gathering();
        assert_eq!((gathering.expected, gathering.until), (2, 5 * MS), "no commit was measured");
        assert_eq!(pace.gathering().expected, 0, "those callers have been waited for");
        (0..100).for_each(|_| pace.committed(MS / 10));
        let until = pace.gathering().until;
        assert!(until > 5 * MS + MS / 6 && until <= 5 * MS + MS / 5, "{until:?}");
        (0..100).for_each(|_| pace.committed(10 * MS));
        assert_eq!(pace.gathering().until, 5 * MS + MAX_GATHER);
    }
}
