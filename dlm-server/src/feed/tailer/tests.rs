//! The tailer over a log that a test controls.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use super::super::Subscriber;
use super::super::handover::tests::events_of;
use super::*;
use crate::background::Background;
use crate::metrics::Metrics;
use crate::store::test_reader::{ReadsLog, unscripted};
use crate::store::{LogRow, RowEvents};

const LOG: u64 = 7;

/// A log with one event at each position up to `head`.
#[derive(Default)]
struct ScriptedLog(Mutex<Script>);

#[derive(Default)]
struct Script {
    head: i64,
    fails: bool,
    reads: usize,
}

impl ScriptedLog {
    fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadsLog for ScriptedLog {
    fn log(&self, from: i64, limit: i64) -> Result<LogPage, StoreError> {
        let mut script = self.lock();
        script.reads += 1;
        if script.fails {
            return unscripted();
        }
        let row = |position| {
            let event = format!(
                r#"[{{"kind":"queued","resource":"{position}","current_token":0,"version":1,"owner":"","queue_len":1,"at":0}}]"#
            );
            LogRow { position, events: RowEvents::Json(event) }
        };
        let last = script.head.min(from.saturating_add(limit - 1));
        let rows: Vec<_> = (from..=last).map(row).collect();
        let more = rows.len() as i64 == limit;
        Ok(LogPage { rows, more, head: LogHead(script.head), trimmed: 0 })
    }
}

/// A feed whose tailer runs in a thread of its own.
struct Fixture {
    feed: Feed,
    log: Arc<ScriptedLog>,
    background: Background,
}

impl Fixture {
    fn new() -> Self {
        let (feed, log) = (Feed::new(), Arc::<ScriptedLog>::default());
        let metrics = Metrics::new();
        let background = Background::new(Arc::clone(&metrics));
        let decoder = Arc::new(LogDecoder::new(LOG, metrics));
        let tailer = LogTailer { reader: Arc::clone(&log) as Arc<dyn Reader>, decoder, shared: false };
        let attempts = background.health().attempts("log-tailer", None);
        background.spawn("log-tailer", tailer.run(feed.clone(), attempts, background.stop_token())).unwrap();
        Self { feed, log, background }
    }

    /// Commits batches whose positions are not known yet.
    fn commit(&self, batches: i64) {
        self.log.lock().head += batches;
        self.feed.committed(None, events_of("", 1));
    }

    /// Commits a batch, and hands it over unless that is lost.
    fn commit_next(&self, lost: bool) {
        let mut script = self.log.lock();
        script.head += 1;
        if !lost {
            self.feed.committed(Some(script.head), events_of(&script.head.to_string(), 1));
        }
    }

    async fn stop(self) {
        self.background.stop_tasks(Duration::MAX).await;
    }
}

#[tokio::test]
async fn those_that_subscribe_together_share_a_read() {
    let fixture = Fixture::new();
    fixture.commit(3);
    let subscribers: Vec<_> = (0..500).map(|_| fixture.feed.subscribe()).collect();
    let ends = {
        // A read that has begun already waits here, and is not theirs.
        let ends: Vec<_> = subscribers.iter().map(|subscriber| Box::pin(subscriber.log_end())).collect();
        let mut script = fixture.log.lock();
        script.head = 4;
        let mut ends = join_all(ends);
        assert!((&mut ends).now_or_never().is_none());
        ends
    };
    for end in ends.await {
        assert_eq!(end.map(|end| (end.head, end.trimmed)), Some((4, 0)));
    }
    let reads = fixture.log.lock().reads;
    assert!(reads < 10, "{reads} reads");
    fixture.stop().await;
}

#[tokio::test]
async fn every_event_after_the_end_of_the_log_comes_once() {
    let fixture = Fixture::new();
    fixture.commit(5);
    let mut subscriber = fixture.feed.subscribe();
    let mut at = Cursor::after_batch(subscriber.log_end().await.unwrap().head);
    assert_eq!(at, Cursor::after_batch(5));
    // More rows than one read takes.
    fixture.commit(2 * ROWS + 1);
    let mut events = 0;
    while at < Cursor::after_batch(5 + 2 * ROWS + 1) {
        let (parts, upto) = subscriber.after(at).expect("the ring has them");
        events += parts.iter().map(|part| part.len() as i64).sum::<i64>();
        if upto == at {
            subscriber.moved().await;
        }
        at = upto;
    }
    assert_eq!(events, 2 * ROWS + 1);
    fixture.stop().await;
}

/// The resources of the next events, as far as the one with this name.
async fn resources_until(subscriber: &mut Subscriber, mut at: Cursor, last: &str) -> Vec<String> {
    let mut resources = Vec::new();
    while resources.last().is_none_or(|resource| resource != last) {
        let (parts, upto) = subscriber.after(at).expect("the ring has them");
        for part in &parts {
            let frames = String::from_utf8_lossy(&part.frames()).into_owned();
            let names = frames.split(r#""resource":""#).skip(1).filter_map(|rest| rest.split('"').next());
            resources.extend(names.map(str::to_owned));
        }
        if upto == at {
            subscriber.moved().await;
        }
        at = upto;
    }
    resources
}

fn names(positions: std::ops::RangeInclusive<i64>) -> Vec<String> {
    positions.map(|position| position.to_string()).collect()
}

#[tokio::test]
async fn batches_that_are_handed_over_are_not_read() {
    let fixture = Fixture::new();
    let mut subscriber = fixture.feed.subscribe();
    let at = Cursor::after_batch(subscriber.log_end().await.unwrap().head);
    // The wake-up of the subscription may be left.
    fixture.commit_next(false);
    resources_until(&mut subscriber, at, "1").await;
    let reads = fixture.log.lock().reads;
    for last in 2..=100 {
        fixture.commit_next(false);
        let at = Cursor::after_batch(last - 1);
        assert_eq!(resources_until(&mut subscriber, at, &last.to_string()).await, names(last..=last));
    }
    let more_reads = fixture.log.lock().reads - reads;
    // It may be woken for what it has just taken, and once a second.
    assert!(more_reads < 20, "{more_reads} reads");
    fixture.stop().await;
}

#[tokio::test]
async fn a_batch_that_is_not_handed_over_is_read() {
    let fixture = Fixture::new();
    let mut subscriber = fixture.feed.subscribe();
    let at = Cursor::after_batch(subscriber.log_end().await.unwrap().head);
    for position in 1..=100 {
        fixture.commit_next(position % 7 == 0);
        if position % 10 == 0 {
            // So that the tailer takes some of them meanwhile.
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(resources_until(&mut subscriber, at, "100").await, names(1..=100));
    fixture.stop().await;
}

#[tokio::test]
async fn more_than_the_tailer_is_handed_is_read() {
    let fixture = Fixture::new();
    let mut subscriber = fixture.feed.subscribe();
    let at = Cursor::after_batch(subscriber.log_end().await.unwrap().head);
    {
        // While the script is locked, the tailer can't read: it does so for this.
        let mut script = fixture.log.lock();
        let end = subscriber.log_end();
        assert!(end.now_or_never().is_none());
        for _ in 0..10_000 {
            script.head += 1;
            fixture.feed.committed(Some(script.head), events_of(&script.head.to_string(), 1));
        }
    }
    assert_eq!(resources_until(&mut subscriber, at, "10000").await, names(1..=10_000));
    fixture.stop().await;
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_said_at_once() {
    let fixture = Fixture::new();
    fixture.log.lock().fails = true;
    let subscriber = fixture.feed.subscribe();
    assert!(subscriber.log_end().await.is_none());
    fixture.log.lock().fails = false;
    assert_eq!(subscriber.log_end().await.unwrap().head, 0);
    fixture.stop().await;
}
