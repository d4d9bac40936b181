//! What lasts, and what ends by itself.

use futures_util::future::join_all;
use serde_json::json;

use super::super::TestServer;
use crate::harness::{Acquire, Backend, Socket, alone, eventually, key, micros, spawn};

#[tokio::test]
async fn b38_holders_and_queue_outlive_a_killed_server() {
    holders_and_queue_outlive(TestServer::kill9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b38_holders_and_queue_outlive_a_server_that_was_ended() {
    holders_and_queue_outlive(|server| assert!(server.terminate().success())).await;
}

async fn holders_and_queue_outlive(end: fn(&mut TestServer)) {
    let mut server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let short = api.lock("short", &Acquire::exclusive().ttl(1500)).await;
    let queued: Vec<_> = ["first", "second", "third"]
        .map(|owner| Acquire::exclusive().wait(60_000).with("owner", owner).key(&key()))
        .into();
    for (place, acquire) in (1..).zip(&queued) {
        let (api, acquire) = (api.clone(), acquire.clone());
        // Its answer is lost with the server.
        spawn(async move { api.try_acquire("a", &acquire).await.map(drop) });
        let api = server.api();
        eventually("it is queued", || async { api.queue_len("a").await == place }).await;
    }
    end(&mut server);
    server.start_again();
    let api = server.api();
    let status = api.status("a").await;
    assert_eq!(status["holders"][0]["expires_at"], held["expires_at"], "no TTL is reset");
    assert_eq!(status["queue_len"], 3);
    api.renew("a", &held).await.ok();
    // They come back in the wrong order and are served in the right one.
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
    eventually("all are back", || async { away().await == 0 }).await;
    let mut before = held;
    for (waiter, owner) in waiters.into_iter().rev().zip(["first", "second", "third"]) {
        api.release("a", &before).await.ok();
        before = waiter.await.unwrap().ok();
        assert_eq!(before["owner"], owner);
    }
    eventually("expiry goes on", || async { api.status("short").await["state"] == "free" }).await;
    let expired = api.events("short").await.pop().unwrap();
    assert_eq!(expired["kind"], "expired");
    assert!(micros(&expired["at"]) >= micros(&short["expires_at"]));
}

#[tokio::test]
async fn b39_a_thousand_leases_expire_on_time_without_anyone_asking() {
    let _alone = alone();
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
    eventually("all have expired", expired).await;
    let mut late = Vec::new();
    for lease in &leases {
        let events = api.events(lease["resource"].as_str().unwrap()).await;
        let last = events.last().unwrap();
        assert_eq!(last["kind"], "expired");
        late.push(micros(&last["at"]) - micros(&lease["expires_at"]));
    }
    let latest = late.iter().max().unwrap();
    assert!(late.iter().all(|late| *late >= -1000), "none ended early");
    assert!(*latest < 250_000, "the latest was {latest} µs late");
}

#[tokio::test]
async fn b49_one_operation_that_the_database_refuses_fails_alone() {
    let mut server = TestServer::start();
    server.kill9();
    server.database().refuse_one_owner();
    server.start_again();
    let api = server.api();
    let mut session = Socket::session(server.url()).await;
    for round in 0..5 {
        // All that has come over a socket is handed in before anything is
        // waited for.
        let mut asked = Vec::new();
        for lock in 0..101 {
            let owner = if lock == 50 { "refuse me" } else { "good" };
            let acquire = json!({
                "resource": format!("{round}/{lock}"), "idempotency_key": key(), "owner": owner
            });
            asked.push(session.queue("acquire", acquire).await);
        }
        session.flush().await;
        for (lock, id) in asked.into_iter().enumerate() {
            let answer = session.answer(id).await;
            if lock == 50 {
                assert_eq!(answer["problem"]["code"], "internal-error", "{answer}");
            } else {
                assert_eq!(answer["lease"]["fencing_token"], 1, "{answer}");
            }
        }
        assert_eq!(api.status(&format!("{round}/50")).await["state"], "free");
    }
    // They were in one transaction, which the database refused as a whole.
    let logs = server.logs();
    let refused = logs.lines().filter(|line| line.contains("a batch was refused"));
    let together: Vec<usize> = refused
        .map(|line| line.split("operations=").nth(1).expect("how many they were").trim().parse().unwrap())
        .collect();
    assert_eq!(together.len(), 5, "{logs}");
    assert!(together.iter().any(|operations| *operations > 40), "{together:?}");
}
