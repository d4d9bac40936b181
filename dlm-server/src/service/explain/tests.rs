//! Statistics from the events of a lock.

use dlm_protocol::EventKind;
use dlm_protocol::limits::MAX_HOLD_SAMPLES;

use super::holds::Holds;
use super::*;

/// The events of a lease, in milliseconds.
fn lease(token: u64, granted_ms: i64, ended_ms: i64, end: EventKind) -> [(EventKind, u64, i64); 2] {
    [(EventKind::Granted, token, granted_ms * 1000), (end, token, ended_ms * 1000)]
}

/// Adds events from the newest on.
fn holds(mut events: Vec<(EventKind, u64, i64)>) -> Holds {
    events.sort_by_key(|(.., at)| *at);
    let mut holds = Holds::default();
    for (kind, token, at) in events.into_iter().rev() {
        holds.add(kind, Some(token), at);
    }
    holds
}

#[test]
fn statistics_have_the_leases_that_ended_in_the_order_of_their_ends() {
    let mut events = Vec::new();
    events.extend(lease(1, 0, 100, EventKind::Released));
    // Two shared leases, of which the second ends first.
    events.extend(lease(2, 200, 600, EventKind::Expired));
    events.extend(lease(3, 300, 350, EventKind::ForceReleased));
    // One is still held, and the grant of another is no longer in the log.
    events.push((EventKind::Granted, 4, 700_000));
    events.push((EventKind::Released, 0, 50_000));
    let statistics = statistics(&holds(events)).unwrap();
    assert_eq!(statistics.recent_ms, [100, 50, 400]);
    assert_eq!((statistics.samples, statistics.since.as_micros()), (3, 0));
    assert_eq!((statistics.p50_ms, statistics.p95_ms, statistics.max_ms), (100, 400, 400));
}

#[test]
fn only_the_last_hundred_leases_count() {
    let lasting =
        |number: i64| lease(number as u64, number * 1000, number * 1000 + number, EventKind::Released);
    let holds = holds((1..=150).flat_map(lasting).collect());
    assert!(holds.are_complete());
    let statistics = statistics(&holds).unwrap();
    assert_eq!(statistics.samples as usize, MAX_HOLD_SAMPLES);
    assert_eq!((statistics.recent_ms[0], statistics.recent_ms[99]), (51, 150));
    assert_eq!((statistics.p50_ms, statistics.p95_ms, statistics.max_ms), (100, 145, 150));
}

#[test]
fn a_lock_that_was_never_released_has_no_statistics() {
    assert_eq!(statistics(&Holds::default()), None);
    assert_eq!(statistics(&holds(vec![(EventKind::Granted, 1, 0)])), None);
    // A waiter's events have no token.
    let mut queued = Holds::default();
    queued.add(EventKind::Queued, None, 0);
    assert!(queued.in_order().is_empty() && !queued.are_complete());
}
