//! When one writer of a server executes the operations of all.
//!
//! A batch costs a database about the same however many operations it has, up to a point. The servers
//! of a database share its processors, so while others have a considerable part of the load, a server
//! whose operations fit into the batches of one writer uses only that one. The others lend it their
//! inboxes (`inbox/lending`) until its batches get too large, or the other servers have little to do.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
/// Writers join while the peers execute at least this many operations per second: a few slow nobody
/// down.
const MIN_LOAD: u64 = 100;
/// Writers join while the peers execute at least the `JOIN_PART`th part of what this server does, and
/// part when it is less than half of that: a second writer then uses what the peers leave.
const JOIN_PART: u64 = 3;
/// What is usual follows the last this many batches.
const BATCHES: usize = 64;
/// The least time between two changes, in milliseconds.
const PAUSE_MS: u64 = 1_000;
/// The least time before writers that parted join again: it takes a while to fill their caches.
const JOIN_AFTER_MS: u64 = 5_000;

/// How the writers of a server share its operations.
#[derive(Debug)]
pub(super) struct Joining {
    members: Box<[Member]>,
    /// How many processors the server may use.
    processors: usize,
    meter: Mutex<LoadMeter>,
    /// How many operations per second this server executes.
    load: AtomicU64,
    /// How many its peers do.
    load_of_peers: AtomicU64,
    /// When this last changed, in milliseconds since boot.
    changed_at: AtomicU64,
    /// When the writers last parted.
    parted_at: AtomicU64,
}

/// One of the writers. The first one never lends its inbox.
#[derive(Debug)]
struct Member {
    inbox: Arc<Inbox>,
    progress: Arc<Progress>,
    /// The usual number of tasks in a batch, times [`BATCHES`].
    size: AtomicUsize,
    /// The tasks in all batches.
    executed: AtomicU64,
}

impl Joining {
    pub(super) fn new(writers: &[Writer]) -> Self {
        let member = |writer: &Writer| Member {
            inbox: Arc::clone(&writer.inbox),
            progress: Arc::clone(&writer.progress),
            size: AtomicUsize::new(0),
            executed: AtomicU64::new(0),
        };
        Self {
            members: writers.iter().map(member).collect(),
            processors: processors(),
            meter: Mutex::new(LoadMeter::new(since_boot())),
            load: AtomicU64::new(0),
            load_of_peers: AtomicU64::new(0),
            changed_at: AtomicU64::new(0),
            parted_at: AtomicU64::new(0),
        }
    }

    /// How many writers there are.
    pub(super) fn writers(&self) -> usize {
        self.members.len()
    }

    pub(super) fn progress(&self, number: usize) -> Arc<Progress> {
        Arc::clone(&self.members[number].progress)
    }

    /// Measures how many operations per second the writers execute. Call it at regular intervals.
    pub(super) fn measure_load(&self) -> u64 {
        let executed = self.members.iter().map(|member| member.executed.load(Ordering::Relaxed)).sum();
        let load = self.meter.lock().unwrap_or_else(PoisonError::into_inner).read(executed, since_boot());
        self.load.store(load, Ordering::Relaxed);
        load
    }

    /// Records how many operations per second the peers execute.
    pub(super) fn record_load_of_peers(&self, per_s: u64) {
        self.load_of_peers.store(per_s, Ordering::Relaxed);
    }

    /// Records a batch.
    pub(super) fn record(&self, number: usize, tasks: usize) {
        if tasks > 0 {
            // Only the writer itself changes it.
            let size = &self.members[number].size;
            let before = size.load(Ordering::Relaxed);
            size.store(before - before / BATCHES + tasks, Ordering::Relaxed);
            self.members[number].executed.fetch_add(tasks as u64, Ordering::Relaxed);
        }
    }

    fn usual(&self, number: usize) -> usize {
        self.members[number].size.load(Ordering::Relaxed) / BATCHES
    }

    /// How many writers execute operations.
    fn working(&self) -> usize {
        self.members.iter().filter(|member| !member.progress.is_lent()).count()
    }

    /// Whether the peers execute this part of what this server does, and at least so many operations
    /// per second.
    fn peers_have_a_part_of(&self, part: u64, min_load: u64) -> bool {
        let (own, peers) = (self.load.load(Ordering::Relaxed), self.load_of_peers.load(Ordering::Relaxed));
        peers >= min_load && peers >= own / part
    }

    fn should_join(&self) -> bool {
        let all: usize = (0..self.members.len()).map(|number| self.usual(number)).sum();
        let is_warm = || now_ms() >= self.parted_at.load(Ordering::Relaxed) + JOIN_AFTER_MS;
        self.peers_have_a_part_of(JOIN_PART, MIN_LOAD) && all < JOIN_BELOW && is_warm()
    }

    fn should_part(&self) -> bool {
        let is_large = || self.usual(0) >= PART_FROM;
        !self.peers_have_a_part_of(2 * JOIN_PART, MIN_LOAD / 2) || is_large()
    }

    /// Whether the caller, and no other writer, may change now how operations are shared.
    fn claim_change(&self) -> bool {
        let (changed_at, now) = (self.changed_at.load(Ordering::Relaxed), now_ms());
        let exchange =
            || self.changed_at.compare_exchange(changed_at, now, Ordering::Relaxed, Ordering::Relaxed);
        now >= changed_at + PAUSE_MS && exchange().is_ok()
    }

    /// Whether a writer executes the operations on this resource.
    pub(super) fn serves(&self, number: usize, name: &Name) -> bool {
        let own = writer_of(name, self.members.len());
        own == number || number == 0 && self.members[own].progress.is_lent()
    }
}

/// Measures how many operations per second are executed.
#[derive(Debug)]
struct LoadMeter {
    executed: u64,
    at: Duration,
    per_s: u64,
}

impl LoadMeter {
    fn new(now: Duration) -> Self {
        Self { executed: 0, at: now, per_s: 0 }
    }

    /// Reads it when so many operations were executed since the start. Half of the result is what it was
    /// before.
    fn read(&mut self, executed: u64, now: Duration) -> u64 {
        let passed = (now - std::mem::replace(&mut self.at, now)).as_micros().max(1);
        let count = executed - std::mem::replace(&mut self.executed, executed);
        let per_s = u64::try_from(u128::from(count) * 1_000_000 / passed).unwrap_or(u64::MAX);
        self.per_s = self.per_s / 2 + per_s / 2;
        self.per_s
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
        let may_join = || first.progress.is_prompt() && joining.should_join();
        if own.progress.is_lent() || !may_join() || !joining.claim_change() {
            return;
        }
        // From the first job on, what the first writer does is the progress of its callers.
        own.progress.set_lent(true);
        if !own.inbox.lend(&first.inbox) {
            own.progress.set_lent(false);
            return;
        }
        own.size.store(0, Ordering::Relaxed);
        self.cache.clear();
        self.hand_over_leaves(joining);
        self.metrics.queue_depth(self.number, 0, 0);
        self.metrics.writers(joining.working());
    }

    /// Returns their operations to all writers.
    fn part(&mut self, joining: &Joining) {
        let writers = joining.members.len();
        let is_joined = joining.working() < writers;
        self.pace.share(joining.processors, if is_joined { 1 } else { writers });
        if !is_joined || !joining.should_part() || !joining.claim_change() {
            return;
        }
        for (number, member) in joining.members.iter().enumerate() {
            // A probe has no resource.
            let is_own = |name: &Name| !name.is_empty() && writer_of(name, writers) == number;
            if member.progress.is_lent() && member.inbox.take_back(|job| job.name().is_some_and(is_own)) {
                member.progress.set_lent(false);
            }
        }
        joining.parted_at.store(now_ms(), Ordering::Relaxed);
        self.cache.forget(|name| writer_of(name, writers) != 0);
        self.hand_over_leaves(joining);
        self.metrics.writers(joining.working());
    }

    /// Leaves the leaves that have to be repeated to the writers that execute the operations on their resources.
    fn hand_over_leaves(&mut self, joining: &Joining) {
        for leave in self.recovery.take_leaves() {
            let member = &joining.members[writer_of(&leave.name, joining.members.len())];
            // It is refused only while the server stops.
            member.inbox.push(Job::Leave(leave)).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Joining {
        Joining::new(&[Writer::first(), Writer::first()])
    }

    fn record(joining: &Joining, number: usize, tasks: usize) {
        (0..10 * BATCHES).for_each(|_| joining.record(number, tasks));
    }

    /// This server and its peers execute so many operations per second.
    fn share(joining: &Joining, own: u64, peers: u64) {
        joining.load.store(own, Ordering::Relaxed);
        joining.record_load_of_peers(peers);
    }

    #[test]
    fn writers_join_while_peers_have_load_and_their_own_fits_in_one_batch() {
        let joining = two();
        assert!(!joining.should_join(), "alone");
        share(&joining, 5_000, 5_000);
        assert!(joining.should_join());
        for (number, tasks, joins) in [(0, 40, true), (1, 40, false), (0, 10, true), (1, 70, false)] {
            record(&joining, number, tasks);
            assert_eq!(joining.should_join(), joins, "{tasks} at {number}");
        }
    }

    #[test]
    fn writers_part_when_batches_are_large() {
        let joining = two();
        share(&joining, 5_000, 5_000);
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
    fn writers_are_joined_only_while_peers_have_a_considerable_part_of_the_load() {
        let joining = two();
        for (own, peers, joins, parts) in [
            (0, 0, false, true),
            (0, 60, false, false),
            (0, 100, true, false),
            (6_000, 500, false, true),
            (6_000, 1_500, false, false),
            (6_000, 2_500, true, false),
            (500, 6_000, true, false),
        ] {
            share(&joining, own, peers);
            assert_eq!((joining.should_join(), joining.should_part()), (joins, parts), "{own}, {peers}");
        }
    }

    #[test]
    fn load_is_the_operations_per_second_of_all_writers_lately() {
        let joining = two();
        (0..2).for_each(|number| record(&joining, number, 1));
        assert!(joining.measure_load() > 0);
        let at = Duration::from_secs;
        let mut meter = LoadMeter::new(at(10));
        assert_eq!(meter.read(4_000, at(12)), 1_000);
        assert_eq!(meter.read(8_000, at(14)), 1_500);
        (0..20).for_each(|second| _ = meter.read(8_000, at(15 + second)));
        assert_eq!(meter.read(8_000, at(40)), 0);
    }

    #[test]
    fn one_writer_at_a_time_changes_how_operations_are_shared() {
        let joining = two();
        assert!(joining.claim_change());
        assert!(!joining.claim_change(), "it has just changed");
    }

    #[test]
    fn writers_that_parted_do_not_join_at_once() {
        let joining = two();
        share(&joining, 5_000, 5_000);
        joining.parted_at.store(now_ms(), Ordering::Relaxed);
        assert!(!joining.should_join());
    }
}
