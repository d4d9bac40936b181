//! Far more acquires than the writers can execute, and many at once.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::super::{Database, TestServer};
use crate::harness::{Acquire, Backend, MachineDelay, ServerProcess, WebSocket, WritesBlocked, eventually, exclusive_test_lock, new_key, now};

const SESSIONS: usize = 5;
const ACQUIRES: usize = 50_000;
/// More than a writer accepts: 20,000.
const BEYOND_THE_BOUND: usize = 25_000;
/// How many leases are renewed, and as many released.
const LEASES: usize = 20;
/// How long the renewals and releases may take. On a slow machine they may take longer,
/// but no more than a part of the time that the acquires take.
const MAX_LATENCY: Duration = Duration::from_millis(250);
const MAX_PART: u32 = 5;
/// Callers of a database that can't be written are answered after two seconds.
const MAX_BLOCKED: Duration = Duration::from_secs(1);

/// Waits until everything sent before is enqueued: a frame that can't be read is answered
/// at once, but not before the frames ahead of it are handled.
async fn enqueued(session: &mut WebSocket) -> Vec<Value> {
    let mut answers = Vec::new();
    session.send_text_and_receive("unreadable", &mut answers).await;
    session.flush_and_receive(&mut answers).await;
    if let Some(last) = answers.iter().position(|answer| answer["id"].is_null()) {
        answers.remove(last);
        return answers;
    }
    loop {
        let answer = session.next().await;
        if answer["id"].is_null() {
            return answers;
        }
        answers.push(answer);
    }
}

/// Writes that are blocked, but for a moment now and then: if they were blocked for too
/// long, what waits would be answered that the database can't be written.
struct BlockedWrites<'a> {
    server: &'a ServerProcess<Database>,
    blocked: Cell<Option<(WritesBlocked, Instant)>>,
}

impl<'a> BlockedWrites<'a> {
    fn new(server: &'a ServerProcess<Database>) -> Self {
        Self { server, blocked: Cell::new(Some((server.database().block_writes(), now()))) }
    }

    async fn let_writers_make_a_step(&self) {
        match self.blocked.take() {
            Some((blocked, since)) if since.elapsed() > MAX_BLOCKED => {
                drop(blocked);
                // A writer looks at a locked file ten times per second.
                tokio::time::sleep(Duration::from_millis(200)).await;
                self.blocked.set(Some((self.server.database().block_writes(), now())));
            }
            // None if another session does it.
            Some(other) => self.blocked.set(Some(other)),
            None => {}
        }
    }
}

/// Sends acquires, each of another lock. Returns those that are answered already.
async fn send_acquires(
    session: &mut WebSocket,
    number: usize,
    blocked: &BlockedWrites<'_>,
) -> Vec<Value> {
    let mut answers = Vec::new();
    for index in 0..ACQUIRES / SESSIONS {
        let acquire = json!({
            "resource": format!("flood/{number}/{index}"), "idempotency_key": new_key(), "ttl_ms": 600_000,
            "wait_ms": 120_000,
        });
        session.send_and_receive("acquire", acquire, &mut answers).await;
        if index % 500 == 499 {
            answers.extend(enqueued(session).await);
            blocked.let_writers_make_a_step().await;
        }
    }
    answers
}

/// Sends messages, and waits until all are enqueued.
async fn send_texts(session: &mut WebSocket, texts: &[String]) {
    let mut answers = Vec::new();
    for text in texts {
        session.send_text_and_receive(text, &mut answers).await;
    }
    enqueued(session).await;
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
    // Next to nothing is executed until all of it waits.
    let blocked = BlockedWrites::new(&server);
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(WebSocket::session(server.url()).await);
    }
    let sent = sessions.iter_mut().enumerate().map(|(number, session)| send_acquires(session, number, &blocked));
    let answers = join_all(sent).await;
    let waiting = ACQUIRES - answers.iter().map(Vec::len).sum::<usize>();
    let started = now();
    let delay = MachineDelay::watch();
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
    let bound = delay.extend(MAX_LATENCY).max(started.elapsed() / MAX_PART);
    eprintln!("{waiting} waited, {granted} granted in {:?}; renewals and releases: {took:?}", started.elapsed());
    assert!(took < bound, "renewals and releases took {took:?}, more than {bound:?}");
    assert!(granted > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acquires_beyond_the_bound_are_refused_at_once() {
    let _exclusive = exclusive_test_lock();
    let delay = MachineDelay::watch();
    let server: ServerProcess<Database> = TestServer::start();
    let api = server.api();
    // Prepared, since the writers count as stalled if writes are blocked for too long.
    let acquire =
        || json!({"id": 1, "op": "acquire", "resource": "hot", "idempotency_key": new_key(), "ttl_ms": 100, "wait_ms": 120_000});
    let acquires: Vec<String> = (0..BEYOND_THE_BOUND).map(|_| acquire().to_string()).collect();
    let refusals = async || api.metric("dlm_operations_refused_total").await.unwrap_or(0.0);
    for round in 0.. {
        assert!(round < 5, "nothing is refused");
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            sessions.push(WebSocket::session(server.url()).await);
        }
        let blocked = server.database().block_writes();
        let sent = sessions.iter_mut().zip(acquires.chunks(BEYOND_THE_BOUND / SESSIONS));
        join_all(sent.map(|(session, acquires)| send_texts(session, acquires))).await;
        let before = refusals().await;
        let sent = now();
        let refused = api.acquire("hot", &Acquire::exclusive().wait(10_000)).await;
        let took = sent.elapsed();
        let refused_at_the_bound = before > 0.0 && refusals().await > before;
        drop((sessions, blocked));
        // On a slow machine the acquires may have been answered before there were enough.
        if refused_at_the_bound {
            delay.assert_within("the refusal", took, Duration::from_secs(2));
            refused.problem(503, "unavailable");
            assert_eq!(refused.headers["retry-after"], "1");
            break;
        }
    }
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
