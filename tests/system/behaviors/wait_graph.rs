//! Who blocks whom.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{Acquire, Api, AuthFile, WebSocket, eventually, principal, spawn};

async fn wait_graph(api: &Api) -> Value {
    api.get("/v1/wait-graph").await.ok()
}

async fn hold(api: &Api, name: &str, owner: &str) -> Value {
    api.lock(name, &Acquire::exclusive().with("owner", owner)).await
}

/// Spawns an acquire that waits; returns once it is queued.
async fn enqueue(api: &Api, name: &'static str, owner: &str) -> tokio::task::JoinHandle<Value> {
    let before = api.queue_len(name).await;
    let (waiting, acquire) = (api.clone(), Acquire::exclusive().wait(60_000).with("owner", owner));
    let waiting = spawn(async move { waiting.lock(name, &acquire).await });
    eventually("the acquire is queued", || async { api.queue_len(name).await > before }).await;
    waiting
}

/// Waits until this many waiters are shown.
async fn settled(api: &Api, waiters: u64) -> Value {
    let count = |answer: &Value| -> u64 {
        answer["locks"].as_array().unwrap().iter().map(|lock| lock["queue_len"].as_u64().unwrap()).sum()
    };
    eventually("the waiters are shown", || async { count(&wait_graph(api).await) == waiters }).await;
    wait_graph(api).await
}

fn names(locks: &Value) -> Vec<&str> {
    locks.as_array().unwrap().iter().map(|lock| lock["resource"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn chain_of_waits_is_shown_with_its_blocker_first() {
    let server = TestServer::start();
    let api = server.api();
    let empty = wait_graph(&api).await;
    assert_eq!(
        (&empty["locks"], &empty["possible_deadlocks"], &empty["complete"]),
        (&json!([]), &json!([]), &json!(true))
    );
    let schema = hold(&api, "schema", "migration").await;
    hold(&api, "orders", "importer").await;
    hold(&api, "idle", "nobody waits for it").await;
    let importer = enqueue(&api, "schema", "importer").await;
    let _first = enqueue(&api, "orders", "worker-1").await;
    let _second = enqueue(&api, "orders", "worker-2").await;
    let answer = settled(&api, 3).await;
    assert_eq!(names(&answer["locks"]), ["schema", "orders"], "what blocks most is first");
    let (schema_lock, orders) = (&answer["locks"][0], &answer["locks"][1]);
    assert_eq!((&schema_lock["queue_len"], &schema_lock["blocked"]), (&json!(1), &json!(3)));
    assert_eq!((&orders["queue_len"], &orders["blocked"]), (&json!(2), &json!(2)));
    let blocker = &schema_lock["holders"][0];
    assert_eq!(
        (&blocker["owner"], &blocker["fencing_token"], &blocker["waits_for"]),
        (&json!("migration"), &schema["fencing_token"], &Value::Null)
    );
    assert_eq!(orders["holders"][0]["waits_for"], "schema");
    assert_eq!(orders["oldest_enqueued_at"], api.status("orders").await["oldest_enqueued_at"]);
    assert_eq!(answer["possible_deadlocks"], json!([]));
    assert_eq!(names(&api.get("/v1/wait-graph?limit=1").await.ok()["locks"]), ["schema"]);
    api.get("/v1/wait-graph?limit=0").await.problem(400, "invalid-request");
    api.release("schema", &schema).await.ok();
    importer.await.unwrap();
    // The importer goes on, and only blocks its own queue.
    let answer = settled(&api, 2).await;
    assert_eq!(names(&answer["locks"]), ["orders"]);
    assert_eq!(answer["locks"][0]["holders"][0]["waits_for"], Value::Null);
}

#[tokio::test]
async fn owners_that_wait_for_each_other_are_a_possible_deadlock_until_one_is_released() {
    let server = TestServer::start();
    let api = server.api();
    let mut waiting = Vec::new();
    let names = ["a", "b", "c"];
    let mut held = Vec::new();
    for name in names {
        held.push(hold(&api, name, &format!("owner of {name}")).await);
    }
    for (name, owner) in [("b", "owner of a"), ("c", "owner of b"), ("a", "owner of c")] {
        assert_eq!(wait_graph(&api).await["possible_deadlocks"], json!([]), "a chain is none");
        waiting.push(enqueue(&api, name, owner).await);
    }
    let answer = settled(&api, 3).await;
    let deadlocks = answer["possible_deadlocks"].as_array().unwrap();
    assert_eq!(deadlocks.len(), 1, "{answer}");
    let holders = deadlocks[0]["holders"].as_array().unwrap();
    let first = names.iter().position(|name| holders[0]["resource"] == *name).unwrap();
    for (index, holder) in holders.iter().enumerate() {
        let number = (first + index) % names.len();
        assert_eq!(
            (&holder["resource"], &holder["owner"], &holder["fencing_token"]),
            (
                &json!(names[number]),
                &json!(format!("owner of {}", names[number])),
                &held[number]["fencing_token"]
            )
        );
    }
    assert_eq!(holders.len(), 3);
    assert!(answer["locks"].as_array().unwrap().iter().all(|lock| lock["blocked"] == 3), "{answer}");
    api.force_release("a", &held[0]["fencing_token"]).await.ok();
    eventually("the deadlock is gone", || async {
        wait_graph(&api).await["possible_deadlocks"] == json!([])
    })
    .await;
}

#[tokio::test]
async fn possible_deadlocks_are_counted_though_nobody_asks() {
    let server = TestServer::start();
    let api = server.api();
    let is_counted = async |number: u64| {
        let metrics = api.get("/metrics").await.text;
        metrics.lines().any(|line| line == format!("dlm_possible_deadlocks {number}"))
    };
    assert!(is_counted(0).await);
    let held = hold(&api, "a", "x").await;
    hold(&api, "b", "y").await;
    let _waiting = [enqueue(&api, "b", "x").await, enqueue(&api, "a", "y").await];
    eventually("the deadlock is counted", || is_counted(1)).await;
    api.force_release("a", &held["fencing_token"]).await.ok();
    eventually("it is gone", || is_counted(0)).await;
}

#[tokio::test]
async fn owner_of_several_tasks_is_no_deadlock() {
    let server = TestServer::start();
    let api = server.api();
    // Every replica of a service gives the same owner.
    hold(&api, "a", "service").await;
    hold(&api, "b", "service").await;
    let _waiting = [enqueue(&api, "a", "service").await, enqueue(&api, "b", "service").await];
    hold(&api, "c", "").await;
    hold(&api, "d", "").await;
    let _nobody = [enqueue(&api, "c", "").await, enqueue(&api, "d", "").await];
    let answer = settled(&api, 4).await;
    assert_eq!(answer["possible_deadlocks"], json!([]));
    assert!(answer["locks"].as_array().unwrap().iter().all(|lock| lock["blocked"] == 1), "{answer}");
}

#[tokio::test]
async fn what_a_principal_may_not_observe_is_no_link() {
    let file = AuthFile::new(
        &(principal("ops", &["ops-token"], &[("admin", "")])
            + &principal("team", &["team-token"], &[("observe", "team/")])),
    );
    let server = TestServer::start_with(&["--auth-file", &file.path()]);
    let ops = server.api().with_token("ops-token");
    hold(&ops, "team/a", "x").await;
    hold(&ops, "secret", "y").await;
    let _cycle = [enqueue(&ops, "secret", "x").await, enqueue(&ops, "team/a", "y").await];
    let all = settled(&ops, 2).await;
    assert_eq!(all["possible_deadlocks"].as_array().unwrap().len(), 1);
    assert_eq!(all["locks"][0]["holders"][0]["principal"], "ops");
    let team = server.api().with_token("team-token");
    let seen = settled(&team, 1).await;
    assert_eq!(names(&seen["locks"]), ["team/a"]);
    assert_eq!((&seen["locks"][0]["blocked"], &seen["possible_deadlocks"]), (&json!(1), &json!([])));
    assert!(!seen.to_string().contains("secret"));
    let path = "/v1/events?wait_graph=true&resource=team/unused";
    let mut stream = WebSocket::with_token(server.url(), path, "dlm.events.v1", "team-token").await.unwrap();
    let brought = next_graph(&mut stream).await;
    assert_eq!((&brought["locks"], &brought["possible_deadlocks"]), (&seen["locks"], &json!([])));
}

#[tokio::test]
async fn waiter_that_is_away_makes_no_link() {
    let server = TestServer::start();
    let api = server.api();
    hold(&api, "a", "x").await;
    hold(&api, "b", "y").await;
    let away = enqueue(&api, "b", "x").await;
    let _waiting = enqueue(&api, "a", "y").await;
    assert_eq!(settled(&api, 2).await["possible_deadlocks"].as_array().unwrap().len(), 1);
    away.abort();
    eventually("its caller hung up", || async {
        wait_graph(&api).await["possible_deadlocks"] == json!([])
    })
    .await;
}

#[tokio::test]
async fn stream_brings_the_graph_when_it_changes_and_without_a_cursor() {
    let server = TestServer::start();
    let api = server.api();
    // Events are filtered, the graph is not.
    let mut stream = WebSocket::events(server.url(), "?wait_graph=true&resource=unused").await;
    assert_eq!(next_graph(&mut stream).await["locks"], json!([]));
    let lease = hold(&api, "a", "first").await;
    let waiting = enqueue(&api, "a", "second").await;
    let graph = next_graph(&mut stream).await;
    assert_eq!(names(&graph["locks"]), ["a"]);
    assert_eq!(graph["locks"][0]["holders"][0]["owner"], "first");
    api.release("a", &lease).await.ok();
    waiting.await.unwrap();
    assert_eq!(next_graph(&mut stream).await["locks"], json!([]));
    // Nothing changes.
    let silence = Duration::from_millis(2_500);
    assert!(tokio::time::timeout(silence, next_graph(&mut stream)).await.is_err());
    api.get("/v1/events?wait_graph=true").await.problem(400, "invalid-request");
    // To the others it is not sent.
    let mut plain = WebSocket::events(server.url(), "").await;
    assert!(tokio::time::timeout(silence, next_graph(&mut plain)).await.is_err());
}

/// Waits for the next graph on a stream without events.
async fn next_graph(stream: &mut WebSocket) -> Value {
    loop {
        let message = stream.next().await;
        match message["type"].as_str() {
            Some("wait_graph") => {
                assert!(message.get("cursor").is_none());
                return message["wait_graph"].clone();
            }
            Some("synced" | "bookmark") => {}
            _ => panic!("{message}"),
        }
    }
}
