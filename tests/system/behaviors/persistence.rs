//! State that survives a restart, expiry without requests, failed batches.

use futures_util::future::join_all;
use serde_json::json;

use super::super::TestServer;
use crate::harness::{
    Acquire, Backend, MachineDelay, WebSocket, eventually, exclusive_test_lock, micros, new_key, now, spawn,
};

#[tokio::test]
async fn b38_holders_and_queue_survive_a_server_crash() {
    holders_and_queue_survive(TestServer::kill9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b38_holders_and_queue_survive_a_server_shutdown() {
    holders_and_queue_survive(|server| assert!(server.terminate().success())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b56_after_a_shutdown_waiters_keep_their_places_for_ten_seconds_from_ready() {
    let mut server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(600_000)).await;
    let waiting = || Acquire::exclusive().wait(600_000).key(&new_key());
    let (left, drained) = (waiting(), waiting());
    let is_queued = async |count| {
        eventually("the acquire is queued", || async { api.queue_len("a").await == count }).await;
    };
    let caller = {
        let (api, acquire) = (api.clone(), left.clone());
        spawn(async move { api.try_acquire("a", &acquire).await.map(drop) })
    };
    is_queued(1).await;
    caller.abort();
    let told = {
        let (api, acquire) = (api.clone(), drained.clone());
        spawn(async move { api.try_acquire("a", &acquire).await.expect("a response") })
    };
    is_queued(2).await;
    assert!(server.terminate().success());
    assert_eq!(told.await.unwrap().status, 202);
    // As if it had been down for 13 seconds.
    server.database().age_absences(13);
    server.restart();
    let ready = now();
    let api = server.api();
    let status = api.status("a").await;
    assert_eq!(status["queue_len"], 2, "{status}");
    let returned = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &drained).await })
    };
    eventually("it is back in its place", || async {
        let status = api.status("a").await;
        status["waiters"][1]["away"] == false
    })
    .await;
    eventually("the other one loses its place", || async { api.queue_len("a").await == 1 }).await;
    let kept = ready.elapsed();
    assert!(kept > std::time::Duration::from_secs(9), "{kept:?}");
    returned.abort();
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
    let machine = MachineDelay::watch();
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
    assert!(delays.iter().all(|delay| *delay >= -1000), "no lease ends early");
    let longest = std::time::Duration::from_micros(delays.into_iter().max().unwrap().unsigned_abs());
    machine.assert_within("an expiry", longest, std::time::Duration::from_millis(250));
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
    server.logged_times("batch rejected", 5).await;
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
