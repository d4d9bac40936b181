//! Pages of a log that is too large to be read as a whole.

use std::sync::atomic::Ordering;

use dlm_protocol::EventKind;

use super::*;
use crate::auth::Rules;
use crate::metrics::Metrics;
use crate::service::test_log::TestLog;

const SECOND: i64 = 1_000_000;
/// The time between two events.
const STEP: i64 = 10 * SECOND;

/// Grants of `hot`, and of `rare` each thousandth time.
fn log(length: i64) -> TestLog {
    let event = |number: i64| LoggedEvent {
        kind: EventKind::Granted,
        resource: if number % 1_000 == 0 { "rare" } else { "hot" }.into(),
        shared: false,
        token: Some(number as u64 + 1),
        current_token: 0,
        version: 0,
        owner: "o".into(),
        ticket: None,
        waited_ms: None,
        ttl_ms: None,
        expires_at: None,
        queue_len: 0,
        // Servers number their batches a little after they committed them.
        at: number * STEP - (number * 7 % 5) * STEP,
        reason: None,
        principal: None,
        by: None,
        earlier: None,
    };
    TestLog::new((0..length).map(event).collect())
}

fn filter(resource: Option<&str>) -> Filter {
    let resource = resource.map(|name| name.parse().unwrap());
    let query = EventsQuery { resource, limit: 10, newest: true, ..EventsQuery::default() };
    Filter { query, visibility: Arc::new(Rules::everything().visibility()) }
}

/// The last events of a resource, or of all, before an instant, oldest first; and how many rows were read.
fn newest_before(log: &TestLog, resource: Option<&str>, to: i64) -> (Vec<u64>, usize) {
    let mut filter = filter(resource);
    filter.query.to = Some(Timestamp::from_micros(to));
    let before = log.rows_read.load(Ordering::Relaxed);
    let page = newest(log, &filter, &LogDecoder::new(7, Metrics::new()), None).unwrap();
    let tokens = page.events.iter().map(|event| event.fencing_token.unwrap().get()).collect();
    (tokens, log.rows_read.load(Ordering::Relaxed) - before)
}

/// The last ten events of the log that are wanted.
fn expected(log: &TestLog, is_wanted: impl Fn(&LoggedEvent<'_>) -> bool) -> Vec<u64> {
    let tokens: Vec<u64> =
        log.events.iter().filter(|event| is_wanted(event)).filter_map(|event| event.token).collect();
    tokens[tokens.len().saturating_sub(10)..].to_vec()
}

#[test]
fn newest_events_before_an_instant_are_found_without_reading_those_after_it() {
    let log = log(100_000);
    for number in [0, 1, 5, 17, 50_000, 99_999, 200_000] {
        let to = number * STEP;
        let (tokens, rows) = newest_before(&log, None, to);
        assert_eq!(tokens, expected(&log, |event| event.at < to), "event {number}");
        assert!(rows < 200, "{rows} rows");
    }
}

#[test]
fn newest_events_of_a_busy_lock_before_an_instant_are_searched_near_it() {
    let mut log = log(50_000);
    log.link_takes = Duration::from_millis(2);
    let to = 20_000 * STEP;
    let (tokens, rows) = newest_before(&log, Some("hot"), to);
    assert_eq!(tokens, expected(&log, |event| event.resource == "hot" && event.at < to));
    assert!(rows < 1_000, "{rows} rows");
    // The few of another lock are found by their links, though they are far from the instant.
    log.link_takes = Duration::ZERO;
    let (tokens, rows) = newest_before(&log, Some("rare"), to);
    assert_eq!(tokens, expected(&log, |event| event.resource == "rare" && event.at < to));
    assert!(rows < 200, "{rows} rows");
}

#[test]
fn first_events_from_an_instant_are_found_without_reading_those_before_it() {
    let log = log(100_000);
    let decoder = LogDecoder::new(7, Metrics::new());
    for number in [0, 1, 50_000, 99_999, 200_000] {
        let from = Timestamp::from_micros(number * STEP);
        let before = log.rows_read.load(Ordering::Relaxed);
        let last = Places::read(&log, &decoder).unwrap().last_before(from).unwrap();
        assert!(log.rows_read.load(Ordering::Relaxed) - before < 40);
        let (skipped, rest) = log.events.split_at(last as usize);
        assert!(skipped.iter().all(|event| event.at < from.as_micros()), "event {number}");
        let wanted = rest.iter().position(|event| event.at >= from.as_micros());
        assert!(wanted.unwrap_or(rest.len()) < 20, "event {number}");
    }
}
