//! A principal that floods a server does not slow down another one.

use std::time::Duration;

use serde_json::json;

use super::super::TestServer;
use crate::harness::{
    Acquire, AuthFile, Crowd, FLOODED_LOCKS, Flood, WebSocket, eventually, exclusive_test_lock, now, principal, rounds, spawn,
};

/// How much slower the other principal may be, and from which latency on.
const MAX_RATIO: u32 = 3;
const FLOOR: Duration = Duration::from_millis(20);
/// Latencies of one measurement.
const CYCLES: usize = 200;
/// A noisy machine may spoil a round, not all of them.
const ROUNDS: usize = 5;
const TTL_MS: u64 = 4000;

/// How much the flood is. `script/test-full` runs it at the full size.
fn size() -> (usize, usize) {
    if rounds(1) > 1 { (10_000, 50_000) } else { (2_000, 2_000) }
}

fn file() -> AuthFile {
    AuthFile::new(
        &[
            principal("flood", &["flood-token"], &[("lock", "flood/")]),
            principal("quiet", &["quiet-token"], &[("lock", "quiet/")]),
        ]
        .concat(),
    )
}

/// The 99th percentile of the latencies of acquires, one after the other.
async fn p99(session: &mut WebSocket) -> Duration {
    let mut latencies = Vec::with_capacity(CYCLES);
    for number in 0..CYCLES {
        let resource = format!("quiet/{}", number % 20);
        let sent = now();
        let lease = session.request("acquire", json!({"resource": resource, "wait_ms": 30_000})).await;
        latencies.push(sent.elapsed());
        let lease_id = lease["lease"]["lease_id"].clone();
        assert!(lease_id.is_string(), "{lease}");
        session.request("release", json!({"resource": resource, "lease_id": lease_id})).await;
    }
    latencies.sort();
    latencies[CYCLES * 99 / 100]
}

/// Holds a lease, and renews it until the task is aborted.
async fn hold(server: &TestServer) -> tokio::task::JoinHandle<()> {
    let url = server.url().to_owned();
    let mut session =
        WebSocket::with_token(&url, "/v1/session", "dlm.session.v1", "quiet-token").await.unwrap();
    let lease =
        session.request("acquire", json!({"resource": "quiet/held", "ttl_ms": TTL_MS})).await["lease"].clone();
    spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(TTL_MS / 4)).await;
            let renewal = json!({"resource": "quiet/held", "lease_id": lease["lease_id"]});
            let renewed = session.request("renew", renewal).await;
            assert!(renewed["lease"].is_object(), "{renewed}");
        }
    })
}

/// Has the flood's principal hold all its locks, with so many waiters.
async fn enqueue_waiters(server: &TestServer, waiters: usize) -> Crowd {
    let api = server.api().with_token("flood-token");
    for lock in 0..FLOODED_LOCKS {
        api.lock(&format!("flood/{lock}"), &Acquire::exclusive().ttl(3_600_000)).await;
    }
    let mut crowd = Crowd::open(server.url(), "flood-token").await;
    // A writer accepts 20,000 acquires that were not executed yet.
    for first in (0..waiters).step_by(10_000) {
        let end = waiters.min(first + 10_000);
        crowd.enqueue(first..end).await;
        eventually("they are queued", || async { waiting(server).await == end as u64 }).await;
    }
    crowd
}

async fn waiting(server: &TestServer) -> u64 {
    let overview = server.api().with_token("flood-token").get("/v1/overview?seconds=0").await.ok();
    overview["waiting"].as_u64().unwrap_or_else(|| panic!("{overview}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_principal_that_floods_does_not_slow_down_another_one() {
    let _exclusive = exclusive_test_lock();
    let file = file();
    let (per_second, waiters) = size();
    let start = || TestServer::start_with(&["--auth-file", &file.path()]);
    // The same flood aimed at a second server takes as much of the machine.
    let (server, idle) = (start(), start());
    let holding = hold(&server).await;
    let crowds = (enqueue_waiters(&server, waiters).await, enqueue_waiters(&idle, waiters).await);
    let mut session =
        WebSocket::with_token(server.url(), "/v1/session", "dlm.session.v1", "quiet-token").await.unwrap();
    let mut measured = Vec::new();
    for _ in 0..ROUNDS {
        let flood = Flood::start(idle.url(), "flood-token", per_second).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let quiet = p99(&mut session).await;
        flood.stop().await;
        let flood = Flood::start(server.url(), "flood-token", per_second).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let flooded = p99(&mut session).await;
        let answered = flood.answered();
        let sent = flood.stop().await;
        assert!(answered > 0 && sent > per_second as u64 / 4, "{sent} sent, {answered} answered");
        measured.push((quiet, flooded));
        if flooded <= quiet.max(FLOOR) * MAX_RATIO {
            break;
        }
    }
    eprintln!("p99 with the flood at another server, and at this one: {measured:?}");
    let (quiet, flooded) = measured[measured.len() - 1];
    assert!(flooded <= quiet.max(FLOOR) * MAX_RATIO, "{measured:?}");
    assert!(!holding.is_finished(), "a renewal failed");
    holding.abort();
    let status = server.api().with_token("quiet-token").status("quiet/held").await;
    assert_eq!(status["holders"][0]["fencing_token"], 1, "the lease was lost: {status}");
    assert_eq!(waiting(&server).await, waiters as u64, "a waiter lost its place");
    drop(crowds);
}
