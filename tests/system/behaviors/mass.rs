//! Thousands of waiters that are granted at once, and thousands of leases that
//! expire at once.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{
    Acquire, Backend, MachineDelay, WebSocket, eventually, exclusive_test_lock, micros, new_key, now, spawn,
    wall_clock_micros,
};

const WAITERS: usize = 10_000;
/// Most events of one transaction. All at once would be ten times as many.
const MAX_BATCH_EVENTS: i64 = 1_500;
/// How long an operation on another lock may take. On a slow machine it may take
/// longer, but no more than a part of the time that the mass takes.
const MAX_LATENCY: Duration = Duration::from_millis(250);
const MAX_PART: u32 = 5;
/// The term of the leases that are granted at once. None may expire before the last is
/// granted.
const MASS_TTL_MS: u64 = 20_000;
/// The term of a lease that is renewed meanwhile.
const SHORT_TTL_MS: u64 = 6000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b62_mass_grant_and_mass_expiry_do_not_delay_other_locks() {
    let _exclusive = exclusive_test_lock();
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("mass", &Acquire::exclusive().ttl(120_000)).await;
    let mut session = WebSocket::session(server.url()).await;
    let mut waits = Vec::new();
    for _ in 0..WAITERS {
        let acquire = json!({
            "resource": "mass", "mode": "shared", "idempotency_key": new_key(), "ttl_ms": MASS_TTL_MS, "wait_ms": 120_000,
        });
        waits.push(session.send_buffered("acquire", acquire).await);
    }
    session.flush().await;
    eventually("all are queued", || async { api.queue_len("mass").await == WAITERS as u64 }).await;

    let others = OtherLocks::start(server.url());
    api.release("mass", &held).await.ok();
    let mut granted = Vec::new();
    for id in waits {
        granted.push(session.response(id).await["lease"].clone());
    }
    others.finish("the grants").await;
    let last_expiry = granted.iter().map(|lease| micros(&lease["expires_at"])).max().unwrap();

    // All leases expire while the server does not run, so it finds all of them
    // overdue at once.
    server.signal(Signal::STOP);
    let overdue = || async { wall_clock_micros() > last_expiry + 100_000 };
    eventually("all leases are overdue", overdue).await;
    server.signal(Signal::CONT);
    let others = OtherLocks::start(server.url());
    let expired = format!("dlm_events_total{{kind=\"expired\"}} {WAITERS}\n");
    eventually("all leases have expired", || async { api.get("/metrics").await.text.contains(&expired) }).await;
    others.finish("the expiry").await;

    assert_eq!(api.status("mass").await["holder_count"], 0);
    assert_in_order(&api.events("mass").await);
    assert!(server.database().max_batch_events() <= MAX_BATCH_EVENTS, "{}", server.database().max_batch_events());
}

/// Clients of other locks, which measure how long each of their operations takes.
struct OtherLocks {
    delay: MachineDelay,
    started: Instant,
    stop: tokio::sync::watch::Sender<bool>,
    clients: [tokio::task::JoinHandle<Duration>; 2],
}

impl OtherLocks {
    fn start(url: &str) -> Self {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let cycles = spawn(acquire_and_release(url.to_owned(), stopped.clone()));
        let renewals = spawn(renew(url.to_owned(), stopped));
        Self { delay: MachineDelay::watch(), started: now(), stop, clients: [cycles, renewals] }
    }

    async fn finish(self, during: &str) {
        let bound = self.delay.extend(MAX_LATENCY).max(self.started.elapsed() / MAX_PART);
        self.stop.send_replace(true);
        let [cycles, renewals] = self.clients;
        let (cycle, renewal) = (cycles.await.unwrap(), renewals.await.unwrap());
        eprintln!("longest during {during}: acquire or release {cycle:?}, renewal {renewal:?}; bound {bound:?}");
        assert!(cycle < bound, "an acquire or a release took {cycle:?} during {during}, more than {bound:?}");
        assert!(renewal < bound, "a renewal took {renewal:?} during {during}, more than {bound:?}");
    }
}

/// Acquires and releases a lock until it is stopped. Returns the longest time
/// that an operation took.
async fn acquire_and_release(url: String, stopped: tokio::sync::watch::Receiver<bool>) -> Duration {
    let mut session = WebSocket::session(&url).await;
    let mut longest = Duration::ZERO;
    while !*stopped.borrow() {
        let acquire = json!({"resource": "other", "idempotency_key": new_key(), "wait_ms": 60_000});
        let lease = timed(&mut session, "acquire", acquire, &mut longest).await["lease"]["lease_id"].clone();
        timed(&mut session, "release", json!({"resource": "other", "lease_id": lease}), &mut longest).await;
    }
    longest
}

/// Renews a lease with a short term until it is stopped.
async fn renew(url: String, stopped: tokio::sync::watch::Receiver<bool>) -> Duration {
    let mut session = WebSocket::session(&url).await;
    let mut longest = Duration::ZERO;
    let acquire = json!({"resource": "short", "idempotency_key": new_key(), "ttl_ms": SHORT_TTL_MS, "wait_ms": 60_000});
    let lease = timed(&mut session, "acquire", acquire, &mut longest).await["lease"]["lease_id"].clone();
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    while !*stopped.borrow() {
        ticks.tick().await;
        let renewed =
            timed(&mut session, "renew", json!({"resource": "short", "lease_id": lease}), &mut longest).await;
        assert!(renewed["lease"].is_object(), "the lease was lost: {renewed}");
    }
    timed(&mut session, "release", json!({"resource": "short", "lease_id": lease}), &mut longest).await;
    longest
}

async fn timed(session: &mut WebSocket, op: &str, fields: Value, longest: &mut Duration) -> Value {
    let started = now();
    let response = session.request(op, fields).await;
    *longest = started.elapsed().max(*longest);
    response
}

/// Versions have no gaps, waiters are granted in the order in which they were
/// queued, and every lease expires once.
fn assert_in_order(events: &[Value]) {
    let of_kind = |kind: &str| events.iter().filter(|event| event["kind"] == kind).collect::<Vec<_>>();
    let tickets =
        |kind| of_kind(kind).iter().map(|event| event["waiter_id"].clone()).collect::<Vec<_>>();
    let tokens =
        |kind| of_kind(kind).iter().map(|event| event["fencing_token"].as_u64().unwrap()).collect::<Vec<_>>();
    assert!(events.iter().zip(1..).all(|(event, version)| event["version"] == version));
    assert_eq!(tickets("granted")[1..], tickets("queued"));
    assert_eq!(tokens("granted"), (1..=WAITERS as u64 + 1).collect::<Vec<_>>());
    assert_eq!(tokens("expired"), tokens("granted")[1..]);
}
