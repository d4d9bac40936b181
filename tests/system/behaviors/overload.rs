//! Far more acquires than the writers can execute, and many at once.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::super::{Database, TestServer};
use crate::harness::{Acquire, Backend, ServerProcess, WebSocket, eventually, exclusive_test_lock, new_key, now};

const SESSIONS: usize = 5;
const ACQUIRES: usize = 50_000;
/// How many leases are renewed, and as many released.
const LEASES: usize = 20;
/// How long the renewals and releases may take. On a slow machine they may take longer,
/// but no more than a part of the time that the acquires take.
const MAX_LATENCY: Duration = Duration::from_millis(250);
const MAX_PART: u32 = 5;

/// Waits until everything sent before is enqueued: a frame that can't be read is answered
/// at once, but not before the frames ahead of it are handled.
async fn enqueued(session: &mut WebSocket) -> Vec<Value> {
    session.send_text("unreadable").await;
    let mut answers = Vec::new();
    loop {
        let answer = session.next().await;
        if answer["id"].is_null() {
            return answers;
        }
        answers.push(answer);
    }
}

/// Sends acquires, each of another lock. Returns those that are answered already.
async fn send_acquires(session: &mut WebSocket, number: usize) -> Vec<Value> {
    let mut answers = Vec::new();
    for index in 0..ACQUIRES / SESSIONS {
        let acquire = json!({
            "resource": format!("flood/{number}/{index}"), "idempotency_key": new_key(), "ttl_ms": 600_000,
            "wait_ms": 120_000,
        });
        session.send_buffered("acquire", acquire).await;
        // The server closes a session that does not read.
        if index % 500 == 499 {
            answers.extend(enqueued(session).await);
        }
    }
    answers
}

/// Receives the answers that are missing. Returns how many acquires were granted.
async fn granted(session: &mut WebSocket, mut answers: Vec<Value>) -> usize {
    while answers.len() < ACQUIRES / SESSIONS {
        answers.push(session.next().await);
    }
    let mut granted = 0;
    for answer in answers {
        if answer["lease"].is_object() {
            granted += 1;
        } else {
            assert_eq!(answer["problem"]["code"], "unavailable", "{answer}");
            assert_eq!(answer["problem"]["retry_after_ms"], 1000, "{answer}");
        }
    }
    granted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b61_renewals_and_releases_are_answered_within_250_ms_behind_50_000_acquires() {
    let _exclusive = exclusive_test_lock();
    let server: ServerProcess<Database> = TestServer::start();
    let mut holder = WebSocket::session(server.url()).await;
    let mut leases = Vec::new();
    for index in 0..2 * LEASES {
        let acquire =
            json!({"resource": format!("held/{index}"), "idempotency_key": new_key(), "ttl_ms": 600_000});
        leases.push(holder.request("acquire", acquire).await["lease"].clone());
    }
    // Nothing is executed until all of it waits.
    let blocked = server.database().block_writes();
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(WebSocket::session(server.url()).await);
    }
    let sent = sessions.iter_mut().enumerate().map(|(number, session)| send_acquires(session, number));
    let answers = join_all(sent).await;
    let waiting = ACQUIRES - answers.iter().map(Vec::len).sum::<usize>();
    let started = now();
    drop(blocked);
    let mut unanswered: Vec<usize> = (0..leases.len()).collect();
    while !unanswered.is_empty() {
        let mut sent = Vec::new();
        for index in unanswered.drain(..) {
            let op = if index < LEASES { "renew" } else { "release" };
            let lease = &leases[index];
            let fields = json!({"resource": lease["resource"], "lease_id": lease["lease_id"]});
            sent.push((index, holder.send(op, fields).await));
        }
        for (index, id) in sent {
            let reply = holder.response(id).await;
            if reply.get("problem").is_some() {
                // If writes were blocked for too long, the writer counts as stalled until it
                // has made a step.
                assert_eq!(reply["problem"]["code"], "unavailable", "the lease was lost: {reply}");
                unanswered.push(index);
            }
        }
    }
    let took = started.elapsed();
    let granted = sessions.iter_mut().zip(answers).map(|(session, answers)| granted(session, answers));
    let granted: usize = join_all(granted).await.into_iter().sum();
    let bound = MAX_LATENCY.max(started.elapsed() / MAX_PART);
    eprintln!("{waiting} waited, {granted} granted in {:?}; renewals and releases: {took:?}", started.elapsed());
    assert!(took < bound, "renewals and releases took {took:?}, more than {bound:?}");
    assert!(granted > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acquires_beyond_the_bound_are_refused_at_once() {
    let _exclusive = exclusive_test_lock();
    let server: ServerProcess<Database> = TestServer::start();
    let api = server.api();
    let blocked = server.database().block_writes();
    let mut session = WebSocket::session(server.url()).await;
    let mut answers = Vec::new();
    while answers.is_empty() {
        for _ in 0..500 {
            let acquire =
                json!({"resource": "hot", "idempotency_key": new_key(), "ttl_ms": 100, "wait_ms": 120_000});
            session.send_buffered("acquire", acquire).await;
        }
        answers = enqueued(&mut session).await;
    }
    assert_eq!(answers[0]["problem"]["code"], "unavailable", "{}", answers[0]);
    let sent = now();
    let refused = api.acquire("hot", &Acquire::exclusive().wait(10_000)).await;
    assert!(sent.elapsed() < Duration::from_secs(2), "{:?}", sent.elapsed());
    refused.problem(503, "unavailable");
    assert_eq!(refused.headers["retry-after"], "1");
    let metrics = api.get("/metrics").await.text;
    assert!(!metrics.contains("dlm_operations_refused_total 0\n"), "{metrics}");
    drop(session);
    drop(blocked);
    // What still waited when its session ended is withdrawn.
    let acquire = Acquire::exclusive().wait(10_000);
    eventually("an acquire is granted", || async { api.acquire("hot", &acquire).await.status == 200 }).await;
}

/// More than the engine keeps in memory.
const RETURNING: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_waiters_that_return_at_once_keep_their_places() {
    let server: ServerProcess<Database> = TestServer::start();
    let api = server.api();
    let held = api.lock("hot", &Acquire::exclusive().ttl(600_000)).await;
    let keys: Vec<String> = (0..RETURNING).map(|_| new_key()).collect();
    let acquire = |key: &String| {
        json!({"resource": "hot", "idempotency_key": key, "ttl_ms": 600_000, "wait_ms": 120_000})
    };
    let present = || {
        server.database().query_i64(
            "SELECT count(*) FROM claims WHERE ticket IS NOT NULL AND away_since IS NULL",
        )
    };
    let mut session = WebSocket::session(server.url()).await;
    for key in &keys {
        session.send_buffered("acquire", acquire(key)).await;
    }
    session.flush().await;
    eventually("all are queued", || async { api.queue_len("hot").await == RETURNING as u64 }).await;
    drop(session);
    eventually("all are away", || async { present() == 0 }).await;
    let mut session = WebSocket::session(server.url()).await;
    // In another order, among acquires of new keys.
    let mut first = 0;
    for (index, key) in keys.iter().enumerate().rev() {
        first = session.send_buffered("acquire", acquire(key)).await;
        let other = json!({"resource": format!("other/{index}"), "idempotency_key": new_key()});
        session.send_buffered("acquire", other).await;
    }
    session.flush().await;
    eventually("all have returned", || async { present() == RETURNING as i64 }).await;
    assert_eq!(api.queue_len("hot").await, RETURNING as u64);
    api.release("hot", &held).await.ok();
    assert_eq!(session.response(first).await["lease"]["fencing_token"], 2);
}
