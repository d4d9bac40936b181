//! When the tail is applied, at given instants.

use dlm_engine::Micros;

use super::*;
use crate::store::sqlite::journal::staged::StagedBatch;
use crate::store::sqlite::journal::tail::{Applied, JournalRow};

const START: Duration = Duration::from_secs(1000);

fn after(ms: u64) -> Duration {
    START + Duration::from_millis(ms)
}

/// A tail whose batches commit at given instants.
#[derive(Default)]
struct Batches {
    tail: Tail,
    pace: Pace,
    last: i64,
}

impl Batches {
    fn commit(&mut self, now: Duration, bytes: usize) {
        self.last += 1;
        let row = JournalRow { position: self.last, at: Micros(0), upto: 0, events: Vec::new(), bytes };
        self.pace.committed(self.tail.is_empty(), now);
        self.tail.add(StagedBatch { row, writes: Vec::new() });
    }

    fn due_in(&mut self, now: Duration) -> Option<Duration> {
        self.pace.due_in(&self.tail, now)
    }

    fn apply(&mut self, rows: usize, now: Duration) {
        self.tail.forget(&Applied { rows, ..Applied::default() });
        self.pace.applied(&self.tail, now);
    }
}

#[test]
fn an_idle_writer_applies_soon_and_then_nothing() {
    let mut batches = Batches::default();
    assert_eq!(batches.due_in(START), None);
    batches.commit(START, 1);
    assert_eq!(batches.due_in(START), Some(MIN_AGE));
    assert_eq!(batches.due_in(after(50)), Some(Duration::ZERO));
    batches.apply(1, after(51));
    assert_eq!(batches.due_in(after(51)), None);
}

#[test]
fn batches_a_few_milliseconds_apart_are_applied_together() {
    let mut batches = Batches::default();
    for ms in (0..50).step_by(5) {
        batches.commit(after(ms), 1);
        assert!(batches.due_in(after(ms + 4)).unwrap() > Duration::ZERO, "after {ms} ms");
    }
    batches.commit(after(50), 1);
    assert_eq!(batches.due_in(after(50)), Some(IDLE));
    assert_eq!(batches.due_in(after(52)), Some(Duration::ZERO));
    batches.apply(11, after(53));
    batches.commit(after(55), 1);
    assert_eq!(batches.due_in(after(57)), Some(MIN_AGE - IDLE));
}

#[test]
fn a_busy_writer_applies_what_is_old() {
    let mut batches = Batches::default();
    for ms in 0..100 {
        batches.commit(after(ms), 1);
        assert!(batches.due_in(after(ms)).unwrap() > Duration::ZERO, "after {ms} ms");
    }
    batches.commit(after(100), 1);
    assert_eq!(batches.due_in(after(100)), Some(Duration::ZERO));
    assert_eq!(batches.pace.part(&batches.tail).until, 101);
    // All of it, although new batches commit meanwhile.
    batches.apply(60, after(101));
    batches.commit(after(101), 1);
    assert_eq!(batches.due_in(after(101)), Some(Duration::ZERO));
    assert_eq!(batches.pace.part(&batches.tail).until, 101);
    batches.apply(41, after(102));
    batches.commit(after(102), 1);
    assert_eq!(batches.due_in(after(102)), Some(MIN_AGE), "what is new can wait again");
}

#[test]
fn a_long_tail_is_applied_whatever_its_age() {
    let mut batches = Batches::default();
    batches.commit(START, MAX_BYTES);
    assert_eq!(batches.due_in(START), Some(Duration::ZERO));
    assert!(!Pace::is_too_long(&batches.tail));
    batches.commit(START, MAX_BYTES + 1);
    assert!(Pace::is_too_long(&batches.tail));
}

#[test]
fn parts_grow_with_the_tail() {
    let mut batches = Batches::default();
    batches.commit(START, 1);
    assert_eq!(batches.pace.part(&batches.tail).rows, MIN_PART);
    for _ in 1..100 * SHARE {
        batches.commit(START, 1);
    }
    assert_eq!(batches.pace.part(&batches.tail).rows, 100);
}

#[test]
fn a_failure_is_followed_by_a_pause() {
    let mut batches = Batches::default();
    batches.commit(START, 1);
    assert_eq!(batches.due_in(after(60)), Some(Duration::ZERO));
    assert!(batches.pace.failed(after(60)), "it is reported");
    assert_eq!(batches.due_in(after(61)), Some(RETRY - Duration::from_millis(1)));
    assert!(!batches.pace.failed(after(160)), "it was reported");
    assert_eq!(batches.due_in(after(260)), Some(Duration::ZERO));
    batches.apply(1, after(260));
    assert_eq!(batches.due_in(after(260)), None);
}
