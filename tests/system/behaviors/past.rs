//! The locks as they were at an instant.

use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{Acquire, Api, AuthFile, encode, eventually, principal, spawn};

async fn state(api: &Api, at: &Value) -> Value {
    api.get(&format!("/v1/state?at={}", encode(at.as_str().unwrap()))).await.ok()
}

fn names(state: &Value) -> Vec<&str> {
    state["locks"].as_array().unwrap().iter().map(|lock| lock["resource"].as_str().unwrap()).collect()
}

/// Each lock with the owners that hold it and wait for it.
fn owners(state: &Value) -> Vec<(&str, Vec<&str>, Vec<&str>)> {
    fn of(rows: &Value) -> Vec<&str> {
        rows.as_array().unwrap().iter().map(|row| row["owner"].as_str().unwrap()).collect()
    }
    let locks = state["locks"].as_array().unwrap().iter();
    locks.map(|lock| (lock["resource"].as_str().unwrap(), of(&lock["holders"]), of(&lock["waiters"]))).collect()
}

/// The instant of the newest event of a kind.
async fn last(api: &Api, name: &str, kind: &str) -> Value {
    let events = api.events(name).await;
    events.iter().rev().find(|event| event["kind"] == kind).expect("an event")["at"].clone()
}

/// Waits until the clock of the server shows another millisecond.
async fn next_millisecond(api: &Api) {
    let now = async || api.get("/v1/state").await.ok()["now"].clone();
    let before = now().await;
    eventually("the clock goes on", || async { now().await != before }).await;
}

async fn hold(api: &Api, name: &str, owner: &str) -> Value {
    let lease = api.lock(name, &Acquire::exclusive().with("owner", owner)).await;
    next_millisecond(api).await;
    lease
}

async fn release(api: &Api, name: &str, lease: &Value) {
    api.release(name, lease).await.ok();
    next_millisecond(api).await;
}

/// Spawns an acquire that waits; returns once it is queued.
async fn enqueue(api: &Api, name: &'static str, owner: &str) -> tokio::task::JoinHandle<Value> {
    let before = api.queue_len(name).await;
    let (waiting, acquire) = (api.clone(), Acquire::exclusive().wait(60_000).with("owner", owner));
    let waiting = spawn(async move { waiting.lock(name, &acquire).await });
    eventually("the acquire is queued", || async { api.queue_len(name).await > before }).await;
    next_millisecond(api).await;
    waiting
}

#[tokio::test]
async fn state_at_an_instant_has_what_was_held_and_waited_for() {
    let mut server = TestServer::start();
    let api = server.api();
    let empty = api.get("/v1/state").await.ok();
    assert_eq!(
        (&empty["locks"], &empty["complete"], &empty["known_since"], &empty["events_read"]),
        (&json!([]), &json!(true), &Value::Null, &json!(0))
    );
    hold(&api, "stays", "keeper").await;
    let first = hold(&api, "a", "first").await;
    let waiting = enqueue(&api, "a", "second").await;
    let queued_at = last(&api, "a", "queued").await;
    let brief = hold(&api, "b", "brief").await;
    release(&api, "b", &brief).await;
    release(&api, "a", &first).await;
    let second = waiting.await.unwrap();
    release(&api, "a", &second).await;

    // A restart changes nothing of the past.
    server.kill9_and_restart();
    let api = server.api();
    let at_queued = state(&api, &queued_at).await;
    assert_eq!(
        owners(&at_queued),
        [("a", vec!["first"], vec!["second"]), ("stays", vec!["keeper"], vec![])]
    );
    assert_eq!((&at_queued["complete"], &at_queued["at"]), (&json!(true), &queued_at));
    let a = &at_queued["locks"][0];
    let holder = &a["holders"][0];
    assert_eq!(
        (&holder["fencing_token"], &holder["acquired_at"], &holder["expires_at"], &holder["mode"]),
        (&first["fencing_token"], &first["acquired_at"], &Value::Null, &json!("exclusive"))
    );
    assert_eq!(
        (&a["waiters"][0]["enqueued_at"], &a["queue_len"], &a["holder_count"]),
        (&queued_at, &json!(1), &json!(1))
    );
    // While `b` was held.
    assert_eq!(names(&state(&api, &brief["acquired_at"]).await), ["a", "b", "stays"]);
    let after_grant = state(&api, &last(&api, "a", "granted").await).await;
    assert_eq!(owners(&after_grant), [("a", vec!["second"], vec![]), ("stays", vec!["keeper"], vec![])]);
    let now = api.get("/v1/state").await.ok();
    assert_eq!((names(&now), &now["lock_count"]), (vec!["stays"], &json!(1)));
    assert_eq!(names(&state(&api, &json!("2020-01-01T00:00:00Z")).await), [""; 0], "before the first event");
    let known_since = &api.events("stays").await[0]["at"];
    assert_eq!(&now["known_since"], known_since);
}

#[tokio::test]
async fn state_at_an_instant_is_filtered_and_bounded() {
    let server = TestServer::start();
    let api = server.api();
    for name in ["a/1", "a/2", "a/3", "b"] {
        api.lock(name, &Acquire::exclusive()).await;
    }
    next_millisecond(&api).await;
    let two = api.get("/v1/state?prefix=a%2F&limit=2").await.ok();
    assert_eq!((names(&two), &two["lock_count"]), (vec!["a/1", "a/2"], &json!(3)));
    let c = api.lock("c", &Acquire::exclusive().with("owner", "me")).await;
    let waiting = enqueue(&api, "b", "me").await;
    let mine = api.get("/v1/state?owner=me").await.ok();
    assert_eq!((names(&mine), &mine["lock_count"]), (vec!["b", "c"], &json!(2)));
    waiting.abort();
    release(&api, "c", &c).await;
    for query in ["limit=0", "limit=1001", "at=yesterday", "at=", "prefx=a", "at=2999-01-01T00:00:00Z", "prefix=%"] {
        api.get(&format!("/v1/state?{query}")).await.problem(400, "invalid-request");
    }
}

#[tokio::test]
async fn state_at_an_instant_has_the_longest_waits_first_if_asked_to() {
    let server = TestServer::start();
    let api = server.api();
    for name in ["a", "b", "c", "d"] {
        api.lock(name, &Acquire::exclusive()).await;
    }
    let waiting = [
        enqueue(&api, "d", "first").await,
        enqueue(&api, "b", "second").await,
        enqueue(&api, "d", "third").await,
    ];
    let at = last(&api, "d", "queued").await;
    let query = format!("/v1/state?at={}&longest_waits_first=", encode(at.as_str().unwrap()));
    let all = api.get(&format!("{query}true")).await.ok();
    assert_eq!(names(&all), ["d", "b", "a", "c"]);
    let some = api.get(&format!("{query}true&limit=1")).await.ok();
    assert_eq!(names(&some), ["d"]);
    // The totals are those of all.
    for state in [all, some] {
        let counts = ["lock_count", "lease_count", "waiter_count"].map(|count| state[count].as_u64().unwrap());
        assert_eq!(counts, [4, 4, 3]);
    }
    assert_eq!(names(&api.get(&format!("{query}false")).await.ok()), ["a", "b", "c", "d"]);
    api.get(&format!("{query}yes")).await.problem(400, "invalid-request");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn state_at_an_instant_tells_who_waited_for_whom() {
    let server = TestServer::start();
    let api = server.api();
    let schema = hold(&api, "schema", "migration").await;
    let orders = hold(&api, "orders", "importer").await;
    let [left, right] = [hold(&api, "left", "a").await, hold(&api, "right", "b").await];
    let waiting = [
        enqueue(&api, "schema", "importer").await,
        enqueue(&api, "orders", "worker-1").await,
        enqueue(&api, "orders", "worker-2").await,
        enqueue(&api, "left", "b").await,
        enqueue(&api, "right", "a").await,
    ];
    let at = last(&api, "right", "queued").await;
    let live = async || api.get("/v1/wait-graph").await.ok();
    eventually("the graph has all waits", || async { live().await["locks"][0]["blocked"] == 3 }).await;
    let live = live().await;
    // Now nobody waits.
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    for name in ["schema", "orders", "left", "right"] {
        eventually("the waiters are gone", || async { api.queue_len(name).await == 0 }).await;
    }
    for (name, lease) in [("schema", &schema), ("orders", &orders), ("left", &left), ("right", &right)] {
        release(&api, name, lease).await;
    }
    let past = state(&api, &at).await;
    let of = |state: &Value, field: fn(&Value) -> Value| -> Vec<(String, Value)> {
        let locks = state["locks"].as_array().unwrap().iter();
        let mut rows: Vec<_> =
            locks.map(|lock| (lock["resource"].as_str().unwrap().to_owned(), field(lock))).collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    };
    let waits_for = |lock: &Value| lock["holders"][0]["waits_for"].clone();
    for field in [|lock: &Value| lock["blocked"].clone(), waits_for] {
        assert_eq!(of(&past, field), of(&live, field));
    }
    assert_eq!(of(&past, waits_for)[1], ("orders".into(), json!("schema")));
    assert_eq!(past["possible_deadlocks"], live["possible_deadlocks"]);
    assert_eq!(past["possible_deadlocks"][0]["holders"].as_array().unwrap().len(), 2);
    // Of one owner, the others are still looked at.
    let query = format!("/v1/state?owner=importer&at={}", encode(at.as_str().unwrap()));
    assert_eq!(api.get(&query).await.ok()["locks"][1]["blocked"], 3);
    let later = api.get("/v1/state").await.ok();
    assert_eq!((&later["locks"], &later["possible_deadlocks"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn instant_before_the_oldest_event_is_refused_once_events_were_trimmed() {
    let server = TestServer::start_with(&["--event-limit", "10"]);
    let api = server.api();
    let first = api.lock("a", &Acquire::exclusive()).await;
    api.release("a", &first).await.ok();
    let at = &first["acquired_at"];
    eventually("the log is trimmed", || async {
        let lease = api.lock("b", &Acquire::exclusive()).await;
        api.release("b", &lease).await.ok();
        api.events("a").await.is_empty()
    })
    .await;
    let path = format!("/v1/state?at={}", encode(at.as_str().unwrap()));
    let problem = api.get(&path).await.problem(400, "invalid-request");
    let known_since = api.get("/v1/state").await.ok()["known_since"].clone();
    assert!(known_since.as_str() > at.as_str());
    assert!(problem["detail"].as_str().unwrap().contains("before the oldest event"), "{problem}");
}

#[tokio::test]
async fn state_at_an_instant_has_only_what_the_caller_may_observe() {
    let file = AuthFile::new(
        &(principal("ops", &["ops-token"], &[("admin", "")])
            + &principal("team", &["team-token"], &[("observe", "team/")])),
    );
    let server = TestServer::start_with(&["--auth-file", &file.path()]);
    let (ops, team) = (server.api().with_token("ops-token"), server.api().with_token("team-token"));
    hold(&ops, "secret", "x").await;
    let ended = hold(&ops, "secret/2", "z").await;
    let held = hold(&ops, "team/a", "y").await;
    release(&ops, "secret/2", &ended).await;
    release(&ops, "team/a", &held).await;
    let at = &held["acquired_at"];
    assert_eq!(names(&state(&ops, at).await), ["secret", "secret/2", "team/a"]);
    let seen = state(&team, at).await;
    assert_eq!((names(&seen), &seen["lock_count"]), (vec!["team/a"], &json!(1)));
    assert_eq!(seen["locks"][0]["holders"][0]["principal"], "ops");
    assert!(!seen.to_string().contains("secret"));
}
