//! What is handed to the feed, compared with what is in the log.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{KnowsKey, Op, Reply};

use super::harness::{TestWriter, answer};
use super::scripted_store::{Fault, Step};
use crate::background::Background;
use crate::feed::{LogTailer, Part, SegmentBuilder, Subscriber};
use crate::log::{Cursor, LogDecoder};
use crate::metrics::Metrics;
use crate::writer::job::Completion;

/// The frames of the events after a cursor, as far as this one.
async fn received(subscriber: &mut Subscriber, mut at: Cursor, end: Cursor) -> Vec<u8> {
    let mut frames = Vec::new();
    while at < end {
        let (parts, upto) = subscriber.after(at).expect("the ring has them");
        parts.iter().for_each(|part| frames.extend_from_slice(&part.frames()));
        if upto == at {
            subscriber.moved().await;
        }
        at = upto;
    }
    frames
}

/// The same as the log has them, and the cursor after the last.
fn stored(writer: &TestWriter, decoder: &LogDecoder) -> (Vec<u8>, Cursor) {
    let page = writer.reader.log(0, i64::MAX).unwrap();
    assert!(!page.more, "the log is short");
    let (mut segments, mut last) = (SegmentBuilder::default(), Cursor::START);
    for (at, event) in page.rows.iter().flat_map(|row| decoder.events(row)) {
        segments.add(at, &event, decoder).unwrap();
        last = at;
    }
    (segments.finish().iter().flat_map(|segment| Part::whole(segment).frames()).collect(), last)
}

/// Grants, waits, renewals, which are not in the log, and commits that fail in each way.
fn work(writer: &mut TestWriter, round: usize) {
    let (holder, waiter) = (format!("holder {round}"), format!("waiter {round}"));
    let mut lease = writer.acquire("b", &holder, 0).1;
    drop((writer.acquire("a", &holder, 0), writer.acquire("a", &waiter, 3_600_000)));
    writer.script.add(Step::Commit, [Fault::None, Fault::AppliedUnclear, Fault::Unavailable][round % 3]);
    if round % 5 == 4 {
        // The writer does not learn what became of this batch.
        (0..1_000).for_each(|_| writer.script.add(Step::Reconnect, Fault::Unavailable));
    }
    writer.turn();
    writer.script.clear();
    writer.finish();
    if let Ok(Completion::Reply(Reply::Lease(claim))) = answer(&mut lease) {
        let token = claim.lease().unwrap().token;
        drop(writer.execute("b", None, Op::Renew { key: writer.key(&holder), token, ttl_ms: None }));
        writer.finish();
    }
    writer.leave("a", &waiter, None, KnowsKey::No);
    for name in ["a", "b"] {
        drop(writer.execute(name, None, Op::Cancel { key: writer.key(&holder) }));
    }
    writer.finish();
}

#[tokio::test]
async fn a_subscriber_receives_what_is_in_the_log() {
    const ROUNDS: usize = 30;
    let mut writer = TestWriter::new();
    let metrics = Metrics::new();
    let decoder = Arc::new(LogDecoder::new(7, Arc::clone(&metrics)));
    let background = Background::new(metrics);
    let (reader, tailed) = (Arc::clone(&writer.reader), Arc::clone(&decoder));
    let tailer = LogTailer { reader, decoder: tailed, shared: false };
    let (feed, attempts) = (writer.state.feed.clone(), background.health().attempts("log-tailer", None));
    background.spawn("log-tailer", tailer.run(feed.clone(), attempts, background.stop_token())).unwrap();
    // With the first subscriber, and with another one after a time without any.
    for _ in 0..2 {
        let (before, _) = stored(&writer, &decoder);
        let mut subscriber = feed.subscribe();
        let at = Cursor::after_batch(subscriber.log_end().await.unwrap().head);
        for round in 0..ROUNDS {
            work(&mut writer, round);
            tokio::task::yield_now().await;
        }
        let (all, last) = stored(&writer, &decoder);
        assert!(received(&mut subscriber, at, last).await == all[before.len()..], "other events");
        drop(subscriber);
        work(&mut writer, 0);
    }
    background.stop_tasks(Duration::MAX).await;
}
