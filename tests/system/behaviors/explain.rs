//! Why a lock is not free, and how long it was held before.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{Acquire, Api, AuthFile, encode, eventually, principal, spawn};

async fn explain(api: &Api, name: &str, query: &str) -> Value {
    api.get(&format!("/v1/locks/{}/explain{query}", encode(name))).await.ok()
}

/// Spawns an acquire that waits; returns once it is queued.
async fn enqueue(api: &Api, name: &str, acquire: Acquire) -> tokio::task::JoinHandle<Value> {
    let before = api.queue_len(name).await;
    let (waiting, acquire, of) = (api.clone(), acquire.wait(60_000), name.to_owned());
    let waiting = spawn(async move { waiting.lock(&of, &acquire).await });
    eventually("the acquire is queued", || async { api.queue_len(name).await > before }).await;
    waiting
}

async fn hold_for(api: &Api, name: &str, held: Duration) {
    let lease = api.lock(name, &Acquire::exclusive()).await;
    tokio::time::sleep(held).await;
    api.release(name, &lease).await.ok();
}

fn owners(waiters: &Value) -> Vec<&str> {
    waiters.as_array().unwrap().iter().map(|waiter| waiter["owner"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn explanation_says_who_holds_who_is_next_and_how_long_it_may_take() {
    let server = TestServer::start();
    let api = server.api();
    let free = explain(&api, "a/b", "").await;
    assert_eq!((&free["holders"], &free["next"], &free["queue_len"]), (&json!([]), &json!([]), &json!(0)));
    assert_eq!((&free["hold"], &free["waiter"]), (&Value::Null, &Value::Null));
    for _ in 0..3 {
        hold_for(&api, "a/b", Duration::from_millis(30)).await;
    }
    let held = api.lock("a/b", &Acquire::exclusive().with("owner", "holder")).await;
    let _first = enqueue(&api, "a/b", Acquire::shared().with("owner", "first")).await;
    let _second = enqueue(&api, "a/b", Acquire::shared().with("owner", "second")).await;
    let _third = enqueue(&api, "a/b", Acquire::exclusive().with("owner", "third")).await;
    eventually("the statistics are of three leases", || async {
        explain(&api, "a/b", "").await["hold"]["samples"] == 3
    })
    .await;
    let answer = explain(&api, "a/b", "?owner=third").await;
    assert_eq!(
        (&answer["resource"], &answer["holder_count"], &answer["queue_len"]),
        (&json!("a/b"), &json!(1), &json!(3))
    );
    let holder = &answer["holders"][0];
    assert_eq!(
        (&holder["owner"], &holder["fencing_token"], &holder["waits_for"]),
        (&json!("holder"), &held["fencing_token"], &Value::Null)
    );
    // Shared waiters are granted together, and the exclusive one behind them is not.
    assert_eq!(owners(&answer["next"]), ["first", "second"]);
    assert_eq!(
        (&answer["next"][1]["position"], &answer["next"][1]["mode"]),
        (&json!(2), &json!("shared"))
    );
    let hold = &answer["hold"];
    let p50 = hold["p50_ms"].as_u64().unwrap();
    assert!(p50 >= 30 && p50 <= hold["max_ms"].as_u64().unwrap(), "{hold}");
    assert_eq!(hold["recent_ms"].as_array().unwrap().len(), 3);
    let first_grant = &api.events("a/b").await[0]["at"];
    assert_eq!(&hold["since"], first_grant);
    let release = answer["estimated_release_in_ms"].as_u64().unwrap();
    assert!(release <= p50, "{answer}");
    // The holder, and the two shared ones at once.
    let waiter = &answer["waiter"];
    assert_eq!((&waiter["owner"], &waiter["position"]), (&json!("third"), &json!(3)));
    assert_eq!(waiter["estimated_wait_ms"].as_u64(), Some(release + p50));
    assert_eq!(explain(&api, "a/b", "?owner=nobody").await["waiter"], Value::Null);
    assert_eq!(explain(&api, "a/b", "?owner=third&principal=p").await["waiter"], Value::Null);
}

#[tokio::test]
async fn explanation_passes_over_waiters_that_are_away() {
    let server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive()).await;
    let away = enqueue(&api, "a", Acquire::exclusive().with("owner", "away")).await;
    let _next = enqueue(&api, "a", Acquire::exclusive().with("owner", "next")).await;
    assert_eq!(owners(&explain(&api, "a", "").await["next"]), ["away"]);
    away.abort();
    eventually("the waiter that hung up is not next", || async {
        owners(&explain(&api, "a", "").await["next"]) == ["next"]
    })
    .await;
}

#[tokio::test]
async fn explanation_shows_what_a_holder_waits_for_itself() {
    let server = TestServer::start();
    let api = server.api();
    api.lock("schema", &Acquire::exclusive().with("owner", "migration")).await;
    // Nobody waits for it.
    api.lock("orders", &Acquire::exclusive().with("owner", "importer")).await;
    let _waiting = enqueue(&api, "schema", Acquire::exclusive().with("owner", "importer")).await;
    eventually("the link is shown", || async {
        explain(&api, "orders", "").await["holders"][0]["waits_for"] == "schema"
    })
    .await;
}

#[tokio::test]
async fn nothing_is_estimated_while_a_holder_waits_for_another_lock() {
    let server = TestServer::start();
    let api = server.api();
    for name in ["a", "b"] {
        hold_for(&api, name, Duration::from_millis(10)).await;
    }
    api.lock("a", &Acquire::exclusive().with("owner", "p")).await;
    let b = api.lock("b", &Acquire::exclusive().with("owner", "q")).await;
    let _waiting = enqueue(&api, "a", Acquire::exclusive().with("owner", "q")).await;
    let answer = explain(&api, "a", "?owner=q").await;
    assert!(answer["estimated_release_in_ms"].is_number(), "{answer}");
    assert!(answer["waiter"]["estimated_wait_ms"].is_number(), "{answer}");
    let other = enqueue(&api, "b", Acquire::exclusive().with("owner", "p")).await;
    for (name, owner) in [("a", "q"), ("b", "p")] {
        eventually("nothing is estimated in a deadlock", || async {
            let answer = explain(&api, name, &format!("?owner={owner}")).await;
            answer["waiter"]["position"] == 1
                && answer["hold"]["samples"] == 1
                && answer["estimated_release_in_ms"].is_null()
                && answer["waiter"]["estimated_wait_ms"].is_null()
        })
        .await;
    }
    api.release("b", &b).await.ok();
    other.await.unwrap();
    // An owner that waits for what it holds is more than one task, of which the holder may go on.
    let _same = enqueue(&api, "a", Acquire::exclusive().with("owner", "p")).await;
    eventually("the release is estimated again", || async {
        explain(&api, "a", "").await["estimated_release_in_ms"].is_number()
    })
    .await;
}

#[tokio::test]
async fn hold_statistics_survive_a_restart_and_follow_the_order_of_the_request() {
    let mut server = TestServer::start();
    let api = server.api();
    hold_for(&api, "a", Duration::from_millis(20)).await;
    hold_for(&api, "b/c", Duration::from_millis(1)).await;
    hold_for(&api, "b/c", Duration::from_millis(1)).await;
    let expired = api.lock("expires", &Acquire::exclusive().ttl(100)).await;
    eventually("it expired", || async { api.event_kinds("expires").await.contains(&"expired".into()) }).await;
    assert!(expired["fencing_token"].is_number());
    api.lock("held", &Acquire::exclusive()).await;
    server.kill9_and_restart();
    let api = server.api();
    let path = "/v1/hold-statistics?resource=b%2Fc&resource=never&resource=a&resource=held&resource=expires";
    let answer = api.get(path).await.ok();
    let locks = answer["locks"].as_array().unwrap();
    let names: Vec<_> = locks.iter().map(|lock| lock["resource"].as_str().unwrap()).collect();
    assert_eq!(names, ["b/c", "never", "a", "held", "expires"]);
    let samples: Vec<_> = locks.iter().map(|lock| lock["hold"]["samples"].as_u64()).collect();
    assert_eq!(samples, [Some(2), None, Some(1), None, Some(1)]);
    assert!(locks[2]["hold"]["p50_ms"].as_u64().unwrap() >= 20, "{answer}");
    assert!(locks[4]["hold"]["max_ms"].as_u64().unwrap() >= 100, "{answer}");
    assert!(answer["at"].is_string());
}

#[tokio::test]
async fn bad_requests_for_an_explanation_or_statistics_are_refused() {
    let server = TestServer::start();
    let api = server.api();
    for query in ["?owner=a&owner=b", "?principal=p", "?owner=%00", "?owner=%0A", "?own=a", "?owner=%"] {
        api.get(&format!("/v1/locks/a/explain{query}")).await.problem(400, "invalid-request");
    }
    let long = format!("?owner={}", "x".repeat(257));
    api.get(&format!("/v1/locks/a/explain{long}")).await.problem(400, "invalid-request");
    api.get("/v1/locks//explain").await.problem(400, "invalid-name");
    let many = |number: usize| {
        let names: Vec<_> = (0..number).map(|index| format!("resource=n{index}")).collect();
        format!("/v1/hold-statistics?{}", names.join("&"))
    };
    for path in ["/v1/hold-statistics", "/v1/hold-statistics?limit=1", &many(101)] {
        api.get(path).await.problem(400, "invalid-request");
    }
    assert_eq!(api.get(&many(100)).await.ok()["locks"].as_array().unwrap().len(), 100);
    for name in ["", "..", "a%00"] {
        let code = if name == "a%00" { "invalid-request" } else { "invalid-name" };
        api.get(&format!("/v1/hold-statistics?resource={name}")).await.problem(400, code);
    }
}

#[tokio::test]
async fn explanation_and_statistics_have_only_what_the_caller_may_observe() {
    let file = AuthFile::new(
        &(principal("ops", &["ops-token"], &[("admin", "")])
            + &principal("team", &["team-token"], &[("observe", "team/")])),
    );
    let server = TestServer::start_with(&["--auth-file", &file.path()]);
    let (ops, team) = (server.api().with_token("ops-token"), server.api().with_token("team-token"));
    ops.lock("secret", &Acquire::exclusive().with("owner", "x")).await;
    ops.lock("team/a", &Acquire::exclusive().with("owner", "y")).await;
    let _waiting = enqueue(&ops, "secret", Acquire::exclusive().with("owner", "y")).await;
    eventually("an operator sees the link", || async {
        explain(&ops, "team/a", "").await["holders"][0]["waits_for"] == "secret"
    })
    .await;
    let seen = explain(&team, "team/a", "").await;
    assert_eq!((&seen["holders"][0]["waits_for"], &seen["holders"][0]["principal"]), (&Value::Null, &json!("ops")));
    assert!(!seen.to_string().contains("secret"));
    team.get("/v1/locks/secret/explain").await.problem(403, "forbidden");
    let path = "/v1/hold-statistics?resource=secret&resource=team%2Fa";
    let seen = team.get(path).await.ok();
    assert_eq!(seen["locks"], json!([{"resource": "team/a", "hold": null}]));
    assert_eq!(ops.get(path).await.ok()["locks"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn explanation_says_when_the_token_of_a_holder_was_last_checked() {
    let mut server = TestServer::start();
    for api in [server.api(), Api::over_sessions(server.url())] {
        let first = api.lock("a", &Acquire::shared()).await;
        let second = api.lock("a", &Acquire::shared()).await;
        let checked = async || {
            let answer = explain(&server.api(), "a", "").await;
            let holders = answer["holders"].as_array().unwrap().clone();
            let of = |lease: &Value| {
                let mut found = holders.iter().filter(|row| row["fencing_token"] == lease["fencing_token"]);
                found.next().unwrap().get("checked_at").cloned()
            };
            (of(&first), of(&second), answer["at"].clone())
        };
        let (none, ..) = checked().await;
        assert_eq!(none, None, "nobody has asked");
        assert_eq!(api.check("a", &second["fencing_token"]).await["live"], true);
        let (first_check, second_check, at) = checked().await;
        let second_check = second_check.expect("it was checked");
        assert_eq!(first_check, None);
        assert!(second["acquired_at"].as_str() <= second_check.as_str() && second_check.as_str() <= at.as_str());
        eventually("a later check is shown", || async {
            api.check("a", &second["fencing_token"]).await;
            checked().await.1.expect("checked again").as_str() > second_check.as_str()
        })
        .await;
        api.release("a", &first).await.ok();
        api.release("a", &second).await.ok();
    }
    let lease = server.api().lock("b", &Acquire::exclusive()).await;
    server.api().check("b", &lease["fencing_token"]).await;
    assert!(explain(&server.api(), "b", "").await["holders"][0]["checked_at"].is_string());
    server.kill9_and_restart();
    let after = explain(&server.api(), "b", "").await;
    assert_eq!(after["holders"][0]["fencing_token"], lease["fencing_token"]);
    assert!(after["holders"][0].get("checked_at").is_none(), "a server knows of its own run alone");
}
