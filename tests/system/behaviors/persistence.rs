//! State that survives a restart, expiry without requests, failed batches.

use futures_util::future::join_all;
use serde_json::json;

use super::super::TestServer;
use crate::harness::{Acquire, Backend, WebSocket, eventually, exclusive_test_lock, micros, new_key, spawn};

#[tokio::test]
async fn b38_holders_and_queue_survive_a_server_crash() {
    holders_and_queue_survive(TestServer::kill9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b38_holders_and_queue_survive_a_server_shutdown() {
    holders_and_queue_survive(|server| assert!(server.terminate().success())).await;
}

async fn holders_and_queue_survive(stop: fn(&mut TestServer)) {
    let mut server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let short = api.lock("short", &Acquire::exclusive().ttl(1500)).await;
    let queued: Vec<_> = ["first", "second", "third"]
        .map(|owner| Acquire::exclusive().wait(60_000).with("owner", owner).key(&new_key()))
        .into();
    for (position, acquire) in (1..).zip(&queued) {
        let (api, acquire) = (api.clone(), acquire.clone());
        // The response is lost with the server.
        spawn(async move { api.try_acquire("a", &acquire).await.map(drop) });
        let api = server.api();
        eventually("the acquire is queued", || async { api.queue_len("a").await == position }).await;
    }
    stop(&mut server);
    server.restart();
    let api = server.api();
    let status = api.status("a").await;
    assert_eq!(status["holders"][0]["expires_at"], held["expires_at"], "the TTL is not reset");
    assert_eq!(status["queue_len"], 3);
    api.renew("a", &held).await.ok();
    // They retry in reverse order, and are granted in queue order.
    let mut waiters = Vec::new();
    for acquire in queued.iter().rev() {
        let (api, acquire) = (api.clone(), acquire.clone());
        waiters.push(spawn(async move { api.acquire("a", &acquire).await }));
    }
    let away = || async {
        api.status("a").await["waiters"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|waiter| waiter["away"] == true)
            .count()
    };
    eventually("all waiters are back", || async { away().await == 0 }).await;
    let mut before = held;
    for (waiter, owner) in waiters.into_iter().rev().zip(["first", "second", "third"]) {
        api.release("a", &before).await.ok();
        before = waiter.await.unwrap().ok();
        assert_eq!(before["owner"], owner);
    }
    eventually("the short lease expires", || async { api.status("short").await["state"] == "free" }).await;
    let expired = api.events("short").await.pop().unwrap();
    assert_eq!(expired["kind"], "expired");
    assert!(micros(&expired["at"]) >= micros(&short["expires_at"]));
}

#[tokio::test]
async fn b39_thousand_leases_expire_on_time_without_requests() {
    let _exclusive = exclusive_test_lock();
    let server = TestServer::start();
    let api = server.api();
    let leases = join_all((0..1000).map(|lock| {
        let api = api.clone();
        let acquire = Acquire::exclusive().ttl(2000 + lock % 1000);
        async move { api.lock(&format!("lock/{lock}"), &acquire).await }
    }))
    .await;
    let expired =
        || async { api.get("/metrics").await.text.contains("dlm_events_total{kind=\"expired\"} 1000\n") };
    eventually("all leases have expired", expired).await;
    let mut delays = Vec::new();
    for lease in &leases {
        let events = api.events(lease["resource"].as_str().unwrap()).await;
        let last = events.last().unwrap();
        assert_eq!(last["kind"], "expired");
        delays.push(micros(&last["at"]) - micros(&lease["expires_at"]));
    }
    let longest = delays.iter().max().unwrap();
    assert!(delays.iter().all(|delay| *delay >= -1000), "no lease ends early");
    assert!(*longest < 250_000, "a lease expired {longest} µs late");
}

#[tokio::test]
async fn b49_only_the_operation_that_the_database_rejects_fails() {
    let mut server = TestServer::start();
    server.kill9();
    server.database().install_failing_trigger();
    server.restart();
    let api = server.api();
    let mut session = WebSocket::session(server.url()).await;
    for round in 0..5 {
        // Frames that arrive together are enqueued together, so most share a batch.
        let mut ids = Vec::new();
        for lock in 0..101 {
            let owner = if lock == 50 { "reject me" } else { "good" };
            let acquire = json!({
                "resource": format!("{round}/{lock}"), "idempotency_key": new_key(), "owner": owner
            });
            ids.push(session.send_buffered("acquire", acquire).await);
        }
        session.flush().await;
        for (lock, id) in ids.into_iter().enumerate() {
            let response = session.response(id).await;
            if lock == 50 {
                assert_eq!(response["problem"]["code"], "internal-error", "{response}");
            } else {
                assert_eq!(response["lease"]["fencing_token"], 1, "{response}");
            }
        }
        assert_eq!(api.status(&format!("{round}/50")).await["state"], "free");
    }
    // The operations shared a transaction, which the database rejected as a whole.
    let logs = server.logs();
    let rejected = logs.lines().filter(|line| line.contains("batch rejected"));
    let batch_sizes: Vec<usize> = rejected
        .map(|line| {
            line.split("operations=").nth(1).expect("the number of operations").trim().parse().unwrap()
        })
        .collect();
    assert_eq!(batch_sizes.len(), 5, "{logs}");
    assert!(batch_sizes.iter().any(|operations| *operations > 40), "{batch_sizes:?}");
}
