//! All locks at a glance, and the end of the event log.

use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{Acquire, Api, eventually, spawn};

async fn overview(api: &Api) -> Value {
    api.get("/v1/overview").await.ok()
}

fn sum(overview: &Value, of: &str) -> u64 {
    overview["seconds"].as_array().unwrap().iter().map(|second| second[of].as_u64().unwrap()).sum()
}

/// Waits for a lock; the waiter stands in the queue when this returns.
async fn queue_up(api: &Api, name: &'static str, owner: &'static str) -> tokio::task::JoinHandle<Value> {
    let before = api.queue_len(name).await;
    let waiting = api.clone();
    let waiting =
        spawn(async move { waiting.lock(name, &Acquire::exclusive().wait(60_000).with("owner", owner)).await });
    eventually("it waits", || async { api.queue_len(name).await > before }).await;
    waiting
}

#[tokio::test]
async fn the_overview_counts_what_stands() {
    let server = TestServer::start();
    let api = server.api();
    let empty = overview(&api).await;
    assert_eq!((&empty["held"], &empty["waiting"], &empty["oldest_wait"]), (&json!(0), &json!(0), &Value::Null));
    api.lock("a", &Acquire::exclusive().with("owner", "one")).await;
    api.lock("b", &Acquire::shared()).await;
    api.lock("b", &Acquire::shared()).await;
    let _first = queue_up(&api, "a", "first").await;
    let _second = queue_up(&api, "a", "second").await;
    let _third = queue_up(&api, "b", "third").await;
    eventually("all of it is counted", || async { overview(&api).await["waiting"] == 3 }).await;
    let now = overview(&api).await;
    assert_eq!((&now["held"], &now["leases"]), (&json!(2), &json!(3)));
    assert_eq!((&now["oldest_wait"]["resource"], &now["oldest_wait"]["owner"]), (&json!("a"), &json!("first")));
    assert_eq!((&now["long_wait_count"], &now["long_waits"]), (&json!(0), &json!([])));
    let contended: Vec<_> = now["contended"].as_array().unwrap().iter().map(|one| &one["resource"]).collect();
    assert_eq!(contended, ["a", "b"], "most waiters first");
    let worst = &now["contended"][0];
    assert_eq!((&worst["queue_len"], &worst["owner"], &worst["mode"]), (&json!(2), &json!("one"), &json!("exclusive")));
    assert_eq!(worst["oldest_enqueued_at"], now["oldest_wait"]["enqueued_at"]);
    assert_eq!(now["contended"][1]["holder_count"], 2);
    // A list says since when the first waits, too.
    let listed = api.get("/v1/locks").await.ok();
    assert_eq!(listed["locks"][0]["oldest_enqueued_at"], worst["oldest_enqueued_at"]);
    assert_eq!(api.status("a").await["oldest_enqueued_at"], worst["oldest_enqueued_at"]);
}

#[tokio::test]
async fn the_overview_counts_what_happened() {
    let mut server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let waiting = queue_up(&api, "a", "patient").await;
    // So that the wait is at least so long.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    api.release("a", &held).await.ok();
    let granted = waiting.await.unwrap();
    api.force_release("a", &granted["fencing_token"]).await.ok();
    api.lock("lost", &Acquire::exclusive().ttl(100).with("owner", "gone")).await;
    eventually("the expiry's second is over", || async { sum(&overview(&api).await, "expired") == 1 }).await;
    let check = |now: &Value| {
        let counted = ["queued", "granted", "released", "force_released", "expired", "wait_timed_out"];
        assert_eq!(counted.map(|kind| sum(now, kind)), [1, 3, 1, 1, 1, 0]);
        assert_eq!(now["expired"].as_array().unwrap().len(), 1);
        let lost = &now["expired"][0];
        assert_eq!((&lost["resource"], &lost["owner"], &lost["fencing_token"]), (&json!("lost"), &json!("gone"), &json!(1)));
        let waited = now["wait_p50_ms"].as_u64().unwrap();
        assert!((200..5_000).contains(&waited) && now["wait_p95_ms"] == waited, "{waited}");
    };
    check(&overview(&api).await);
    let grants = api.events("a").await;
    let waits: Vec<_> = grants.iter().map(|event| (&event["kind"], event["waited_ms"].is_u64())).collect();
    let waited: Vec<_> = waits.iter().filter(|(_, waited)| *waited).collect();
    assert_eq!(waited.len(), 1, "{waits:?}");
    // It is read from the log: another run of the server tells the same.
    server.kill9_and_start_again();
    check(&overview(&server.api()).await);
}

#[tokio::test]
async fn the_overview_has_as_many_seconds_as_are_asked_for() {
    let server = TestServer::start();
    let api = server.api();
    let all = overview(&api).await;
    let seconds = all["seconds"].as_array().unwrap();
    assert_eq!(seconds.len(), 300);
    let at = |second: &Value| second["at"].as_str().unwrap().to_owned();
    assert!(seconds.windows(2).all(|pair| at(&pair[0]) < at(&pair[1])));
    assert!(at(&seconds[299]) <= at(&all));
    assert_eq!(api.get("/v1/overview?seconds=5").await.ok()["seconds"].as_array().unwrap().len(), 5);
    assert_eq!(api.get("/v1/overview?seconds=0").await.ok()["seconds"], json!([]));
    for query in ["seconds=301", "seconds=-1", "seconds=x", "second=1"] {
        api.get(&format!("/v1/overview?{query}")).await.problem(400, "invalid-request");
    }
}

#[tokio::test]
async fn the_newest_events_are_those_at_the_end_of_the_log_in_its_order() {
    let server = TestServer::start();
    let api = server.api();
    for round in 0..700 {
        let name = if round % 7 == 0 { "rare" } else { "common" };
        let lease = api.lock(name, &Acquire::exclusive()).await;
        api.release(name, &lease).await.ok();
    }
    let newest = api.get("/v1/events?newest=true&limit=3").await.ok();
    let tokens = |page: &Value| -> Vec<(String, u64)> {
        let events = page["events"].as_array().unwrap().iter();
        events.map(|e| (e["kind"].as_str().unwrap().into(), e["fencing_token"].as_u64().unwrap())).collect()
    };
    assert_eq!(tokens(&newest), [("released".into(), 599), ("granted".into(), 600), ("released".into(), 600)]);
    let rare = api.get("/v1/events?newest=true&resource=rare&limit=200").await.ok();
    let all = api.events("rare").await;
    assert_eq!(rare["events"].as_array().unwrap(), &all[..]);
    assert_eq!(all.len(), 200);
    // What happens after is behind its cursor, and nothing else.
    api.lock("late", &Acquire::exclusive()).await;
    let cursor = rare["cursor"].as_str().unwrap();
    let next = api.get(&format!("/v1/events?after={cursor}")).await.ok();
    assert_eq!(next["events"].as_array().unwrap().len(), 1);
    assert_eq!(next["events"][0]["resource"], "late");
    api.get(&format!("/v1/events?newest=true&after={cursor}")).await.problem(400, "invalid-request");
}
