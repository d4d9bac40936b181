//! The overview, and the newest events of the log.

use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{Acquire, Api, eventually, spawn};

async fn overview(api: &Api) -> Value {
    api.get("/v1/overview").await.ok()
}

fn sum(overview: &Value, field: &str) -> u64 {
    overview["seconds"].as_array().unwrap().iter().map(|second| second[field].as_u64().unwrap()).sum()
}

/// Spawns an acquire that waits; returns once it is queued.
async fn enqueue(api: &Api, name: &'static str, owner: &'static str) -> tokio::task::JoinHandle<Value> {
    let before = api.queue_len(name).await;
    let waiting = api.clone();
    let waiting =
        spawn(
            async move { waiting.lock(name, &Acquire::exclusive().wait(60_000).with("owner", owner)).await },
        );
    eventually("the acquire is queued", || async { api.queue_len(name).await > before }).await;
    waiting
}

#[tokio::test]
async fn overview_counts_current_leases_and_waiters() {
    let server = TestServer::start();
    let api = server.api();
    let empty = overview(&api).await;
    assert_eq!(
        (&empty["held"], &empty["waiting"], &empty["oldest_wait"]),
        (&json!(0), &json!(0), &Value::Null)
    );
    api.lock("a", &Acquire::exclusive().with("owner", "one")).await;
    api.lock("b", &Acquire::shared()).await;
    api.lock("b", &Acquire::shared()).await;
    let _first = enqueue(&api, "a", "first").await;
    let _second = enqueue(&api, "a", "second").await;
    let _third = enqueue(&api, "b", "third").await;
    eventually("all waiters are counted", || async { overview(&api).await["waiting"] == 3 }).await;
    let now = overview(&api).await;
    assert_eq!((&now["held"], &now["leases"]), (&json!(2), &json!(3)));
    assert_eq!(
        (&now["oldest_wait"]["resource"], &now["oldest_wait"]["owner"]),
        (&json!("a"), &json!("first"))
    );
    assert_eq!((&now["long_wait_count"], &now["long_waits"]), (&json!(0), &json!([])));
    let contended: Vec<_> = now["contended"].as_array().unwrap().iter().map(|one| &one["resource"]).collect();
    assert_eq!(contended, ["a", "b"], "most waiters first");
    let worst = &now["contended"][0];
    assert_eq!(
        (&worst["queue_len"], &worst["owner"], &worst["mode"]),
        (&json!(2), &json!("one"), &json!("exclusive"))
    );
    assert_eq!(worst["oldest_enqueued_at"], now["oldest_wait"]["enqueued_at"]);
    assert_eq!(now["contended"][1]["holder_count"], 2);
    // Lists and statuses have the enqueue time of the first waiter, too.
    let listed = api.get("/v1/locks").await.ok();
    assert_eq!(listed["locks"][0]["oldest_enqueued_at"], worst["oldest_enqueued_at"]);
    assert_eq!(api.status("a").await["oldest_enqueued_at"], worst["oldest_enqueued_at"]);
}

#[tokio::test]
async fn overview_counts_recent_events() {
    let mut server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let waiting = enqueue(&api, "a", "patient").await;
    // A known lower bound for the wait.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    api.release("a", &held).await.ok();
    let granted = waiting.await.unwrap();
    api.force_release("a", &granted["fencing_token"]).await.ok();
    api.lock("lost", &Acquire::exclusive().ttl(100).with("owner", "gone")).await;
    eventually("the expiry is counted", || async { sum(&overview(&api).await, "expired") == 1 }).await;
    let check = |overview: &Value| {
        let counted = ["queued", "granted", "released", "force_released", "expired", "wait_timed_out"];
        assert_eq!(counted.map(|kind| sum(overview, kind)), [1, 3, 1, 1, 1, 0]);
        assert_eq!(overview["expired"].as_array().unwrap().len(), 1);
        let lost = &overview["expired"][0];
        assert_eq!(
            (&lost["resource"], &lost["owner"], &lost["fencing_token"]),
            (&json!("lost"), &json!("gone"), &json!(1))
        );
        let waited = overview["wait_p50_ms"].as_u64().unwrap();
        assert!((200..60_000).contains(&waited) && overview["wait_p95_ms"] == waited, "{waited}");
    };
    check(&overview(&api).await);
    let events = api.events("a").await;
    let waits: Vec<_> = events.iter().map(|event| (&event["kind"], event["waited_ms"].is_u64())).collect();
    let waited: Vec<_> = waits.iter().filter(|(_, waited)| *waited).collect();
    assert_eq!(waited.len(), 1, "{waits:?}");
    // The counts are read from the log, so they survive a restart.
    server.kill9_and_restart();
    check(&overview(&server.api()).await);
}

#[tokio::test]
async fn overview_has_the_requested_number_of_seconds() {
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
async fn newest_events_are_the_end_of_the_log_in_log_order() {
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
    assert_eq!(
        tokens(&newest),
        [("released".into(), 599), ("granted".into(), 600), ("released".into(), 600)]
    );
    let rare = api.get("/v1/events?newest=true&resource=rare&limit=200").await.ok();
    let all = api.events("rare").await;
    assert_eq!(rare["events"].as_array().unwrap(), &all[..]);
    assert_eq!(all.len(), 200);
    // The cursor of the page resumes right after its last event.
    api.lock("late", &Acquire::exclusive()).await;
    let cursor = rare["cursor"].as_str().unwrap();
    let next = api.get(&format!("/v1/events?after={cursor}")).await.ok();
    assert_eq!(next["events"].as_array().unwrap().len(), 1);
    assert_eq!(next["events"][0]["resource"], "late");
    api.get(&format!("/v1/events?newest=true&after={cursor}")).await.problem(400, "invalid-request");
}

#[tokio::test]
async fn newest_events_are_filtered_and_paged_backwards() {
    let server = TestServer::start();
    let api = server.api();
    for round in 0..60 {
        let owner = if round % 20 == 0 { "rare" } else { "common" };
        let lease = api.lock("a", &Acquire::exclusive().with("owner", owner)).await;
        api.release("a", &lease).await.ok();
    }
    let newest = async |query: String| api.get(&format!("/v1/events?newest=true&{query}")).await;
    let rare = newest("kind=granted,expired&owner=rare&limit=10".into()).await.ok();
    let tokens = |page: &Value| -> Vec<u64> {
        let events = page["events"].as_array().unwrap().iter();
        events.map(|event| event["fencing_token"].as_u64().unwrap()).collect()
    };
    assert_eq!(tokens(&rare), [1, 21, 41]);
    // The whole log was searched.
    assert_eq!((rare.get("start"), rare.get("searched_from")), (None, None));

    for filter in ["", "&resource=a"] {
        let (mut found, mut before, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = newest(format!("kind=granted&limit=25{filter}{before}")).await.ok();
            found.splice(0..0, tokens(&page));
            pages += 1;
            let Some(start) = page["start"].as_str() else { break };
            assert_eq!(page["searched_from"], page["events"][0]["at"]);
            before = format!("&before={start}");
        }
        assert_eq!((found, pages), ((1..=60).collect(), 3));
    }

    let all = newest("limit=1000".into()).await.ok();
    let at = |index: usize| all["events"][index]["at"].as_str().unwrap().to_owned();
    let part = api.get(&format!("/v1/events?limit=1000&from={}&to={}", at(40), at(80))).await.ok();
    let inside = |event: &&Value| (at(40)..at(80)).contains(&event["at"].as_str().unwrap().to_owned());
    let expected: Vec<&Value> = all["events"].as_array().unwrap().iter().filter(inside).collect();
    assert_eq!(part["events"].as_array().unwrap().iter().collect::<Vec<_>>(), expected);
    for query in ["kind=lost", "from=noon", "before=x"] {
        api.get(&format!("/v1/events?{query}")).await.problem(400, "invalid-request");
    }
    newest("before=x".into()).await.problem(400, "invalid-cursor");
}
