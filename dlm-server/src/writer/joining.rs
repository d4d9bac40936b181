//! When one writer of a server executes the operations of all.
//!
//! A batch costs a database about the same however many operations it has, up to a point. The servers
//! of a database share its processors, so while there are others, a server whose operations fit into
//! the batches of one writer uses only that one. The others lend it their inboxes (`inbox/lending`)
//! until its batches get too large, or the other servers are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::inbox::Inbox;
use super::job::Job;
use super::optimistic::MAX_TASKS;
use super::progress::Progress;
use super::thread::WriterState;
use super::{Writer, processors, writer_of};
use crate::clock::since_boot;
use crate::store::Name;

/// Writers join while so many operations in a batch are enough for all of them.
const JOIN_BELOW: usize = 64;
/// They part when one writer usually has so many in a batch that it needs more than one call.
const PART_FROM: usize = MAX_TASKS;
/// What is usual follows the last this many batches.
const BATCHES: usize = 64;
/// The least time between two changes, in milliseconds: each empties caches.
const PAUSE_MS: u64 = 1_000;

/// How the writers of a server share its operations.
#[derive(Debug)]
pub(super) struct Joining {
    members: Box<[Member]>,
    /// Whether other servers use the database.
    has_peers: AtomicBool,
    /// When this last changed, in milliseconds since boot.
    changed_at: AtomicU64,
}

/// One of the writers. The first one never lends its inbox.
#[derive(Debug)]
struct Member {
    inbox: Arc<Inbox>,
    progress: Arc<Progress>,
    /// The usual number of tasks in a batch, times [`BATCHES`].
    size: AtomicUsize,
}

impl Joining {
    pub(super) fn new(writers: &[Writer]) -> Self {
        let member = |writer: &Writer| Member {
            inbox: Arc::clone(&writer.inbox),
            progress: Arc::clone(&writer.progress),
            size: AtomicUsize::new(0),
        };
        Self {
            members: writers.iter().map(member).collect(),
            has_peers: AtomicBool::new(false),
            changed_at: AtomicU64::new(0),
        }
    }

    /// How many writers there are.
    pub(super) fn writers(&self) -> usize {
        self.members.len()
    }

    pub(super) fn progress(&self, number: usize) -> Arc<Progress> {
        Arc::clone(&self.members[number].progress)
    }

    /// Records whether other servers use the database.
    pub(super) fn set_has_peers(&self, has_peers: bool) {
        self.has_peers.store(has_peers, Ordering::Relaxed);
    }

    /// Records a batch.
    pub(super) fn record(&self, number: usize, tasks: usize) {
        if tasks > 0 {
            // Only the writer itself changes it.
            let size = &self.members[number].size;
            let before = size.load(Ordering::Relaxed);
            size.store(before - before / BATCHES + tasks, Ordering::Relaxed);
        }
    }

    fn usual(&self, number: usize) -> usize {
        self.members[number].size.load(Ordering::Relaxed) / BATCHES
    }

    /// How many writers execute operations.
    fn working(&self) -> usize {
        self.members.iter().filter(|member| !member.progress.is_lent()).count()
    }

    fn should_join(&self) -> bool {
        let all: usize = (0..self.members.len()).map(|number| self.usual(number)).sum();
        self.has_peers.load(Ordering::Relaxed) && all < JOIN_BELOW && self.may_change()
    }

    fn should_part(&self) -> bool {
        let is_large = || self.usual(0) >= PART_FROM;
        (!self.has_peers.load(Ordering::Relaxed) || is_large()) && self.may_change()
    }

    fn may_change(&self) -> bool {
        now_ms() >= self.changed_at.load(Ordering::Relaxed) + PAUSE_MS
    }

    fn changed(&self) {
        self.changed_at.store(now_ms(), Ordering::Relaxed);
    }

    /// Whether a writer executes the operations on this resource.
    pub(super) fn serves(&self, number: usize, name: &Name) -> bool {
        let own = writer_of(name, self.members.len());
        own == number || number == 0 && self.members[own].progress.is_lent()
    }
}

fn now_ms() -> u64 {
    u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX)
}

impl WriterState {
    /// Lends the inbox of this writer, or ends that, if it is time to and the writer has nothing left to do.
    pub(super) fn rearrange(&mut self) {
        let joining = Arc::clone(&self.joining);
        if joining.members.len() == 1 || !self.has_nothing_left() {
            return;
        }
        match self.number {
            0 => self.part(&joining),
            _ => self.join(&joining),
        }
    }

    fn has_nothing_left(&self) -> bool {
        self.deferred.is_empty() && self.kept.is_empty() && self.recovery.is_done() && !self.must_stop
    }

    /// Has the first writer execute the operations of this one.
    fn join(&mut self, joining: &Joining) {
        let (first, own) = (&joining.members[0], &joining.members[self.number]);
        if own.progress.is_lent() || first.progress.is_stalled() || !joining.should_join() {
            return;
        }
        // From the first job on, what the first writer does is the progress of its callers.
        own.progress.set_lent(true);
        if !own.inbox.lend(&first.inbox) {
            own.progress.set_lent(false);
            return;
        }
        self.metrics.writers(joining.working());
        joining.changed();
        own.size.store(0, Ordering::Relaxed);
        self.cache.clear();
    }

    /// Returns their operations to all writers.
    fn part(&mut self, joining: &Joining) {
        let lent = |member: &&Member| member.progress.is_lent();
        let is_joined = joining.members.iter().any(|member| lent(&member));
        self.pace.share(processors(), if is_joined { 1 } else { joining.members.len() });
        if !is_joined || !joining.should_part() {
            return;
        }
        for (number, member) in joining.members.iter().enumerate().filter(|(_, member)| lent(member)) {
            let is_own =
                |job: &Job| job.name().is_some_and(|name| writer_of(name, joining.members.len()) == number);
            if member.inbox.take_back(is_own) {
                member.progress.set_lent(false);
            }
        }
        self.metrics.writers(joining.working());
        joining.changed();
        self.cache.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two writers that may change at once.
    fn two() -> Joining {
        Joining::new(&[Writer::first(), Writer::first()])
    }

    fn record(joining: &Joining, number: usize, tasks: usize) {
        (0..10 * BATCHES).for_each(|_| joining.record(number, tasks));
    }

    #[test]
    fn writers_join_while_there_are_peers_and_the_load_fits_in_one_batch() {
        let joining = two();
        assert!(!joining.should_join(), "alone");
        joining.set_has_peers(true);
        assert!(joining.should_join());
        for (number, tasks, joins) in [(0, 40, true), (1, 40, false), (0, 10, true), (1, 70, false)] {
            record(&joining, number, tasks);
            assert_eq!(joining.should_join(), joins, "{tasks} at {number}");
        }
    }

    #[test]
    fn writers_part_when_batches_are_large_or_peers_are_gone() {
        let joining = two();
        assert!(joining.should_part(), "alone");
        joining.set_has_peers(true);
        assert!(!joining.should_part());
        record(&joining, 0, JOIN_BELOW + 10);
        assert!(!joining.should_part(), "what one writer has is not enough for two");
        record(&joining, 0, MAX_TASKS + 1);
        assert!(joining.should_part());
        // So many are left for each of them, and they do not join at once.
        (0..2).for_each(|number| record(&joining, number, JOIN_BELOW));
        assert!(!joining.should_join());
    }

    #[test]
    fn writers_do_not_change_again_at_once() {
        let joining = two();
        joining.changed();
        assert!(!joining.should_part());
        joining.set_has_peers(true);
        assert!(!joining.should_join());
    }
}
