//! What lasts, and what ends by itself.

use crate::harness::Backend;
use dlm_protocol::Timestamp;
use futures_util::future::join_all;
use serde_json::Value;

use super::super::TestServer;
use crate::harness::{Acquire, eventually, key, spawn};

fn micros(instant: &Value) -> i64 {
    serde_json::from_value::<Timestamp>(instant.clone()).unwrap().as_micros()
}

#[tokio::test]
async fn b38_holders_and_queue_outlive_a_killed_server() {
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
    server.kill9_and_start_again();
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
    for round in 0..5 {
        let send = |lock: usize| {
            let api = api.clone();
            let owner = if lock == 50 { "refuse me" } else { "good" };
            let acquire = Acquire::exclusive().with("owner", owner);
            async move { api.acquire(&format!("{round}/{lock}"), &acquire).await }
        };
        let answers = join_all((0..101).map(send)).await;
        for (lock, answer) in answers.iter().enumerate() {
            if lock == 50 {
                answer.problem(500, "internal-error");
            } else {
                answer.ok();
            }
        }
        assert_eq!(api.status(&format!("{round}/50")).await["state"], "free");
    }
}
