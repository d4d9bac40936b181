//! Only the holder can renew and release.

use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{Acquire, WebSocket, new_key};

#[tokio::test]
async fn b31_lease_id_that_is_foreign_ended_or_forged_has_no_effect() {
    let server = TestServer::start();
    let api = server.api();
    let old = api.lock("a", &Acquire::exclusive()).await;
    api.release("a", &old).await.ok();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let elsewhere = api.lock("b", &Acquire::exclusive()).await;
    for id in [elsewhere["lease_id"].as_str().unwrap(), "made-up", "AAAA", &"A".repeat(67)] {
        let lease = json!({"lease_id": id});
        api.release("a", &lease).await.problem(403, "not-holder");
        api.renew("a", &lease).await.problem(403, "not-holder");
    }
    api.renew("a", &old).await.ended(410, "released");
    assert_eq!(api.check("a", &held["fencing_token"]).await["live"], true);
    assert_eq!(api.check("b", &elsewhere["fencing_token"]).await["live"], true);
}

#[tokio::test]
async fn b32_lease_id_appears_only_in_replies_to_its_holder() {
    let server = TestServer::start_with(&["--log", "trace"]);
    let api = server.api();
    let key = new_key();
    let mut ids = Vec::new();
    for name in ["a", "b"] {
        let lease = api.lock(name, &Acquire::exclusive().key(&new_key())).await;
        ids.push(lease["lease_id"].as_str().unwrap().to_owned());
        api.renew(name, &lease).await.ok();
    }
    let mut events = WebSocket::events(server.url(), "?renewals=true").await;
    let mut shown = vec![events.next_event().await.to_string()];
    api.renew("b", &json!({"lease_id": ids[1]})).await.ok();
    shown.push(events.next_event().await.to_string());
    shown.push(api.acquire("a", &Acquire::exclusive().key(&key)).await.text);
    shown.push(api.renew("a", &json!({"lease_id": ids[1]})).await.text);
    shown.push(api.release("a", &json!({"lease_id": ids[1]})).await.text);
    shown.push(api.post("/v1/locks/a/release", &json!({"lease_id": ids[0], "x": 1})).await.text);
    shown.push(api.force_release("a", &json!(1)).await.text);
    shown.push(api.renew("a", &json!({"lease_id": ids[0]})).await.text);
    shown.push(events.next_event().await.to_string());
    assert!(shown.last().unwrap().contains("force_released"), "the stream has all events");
    for path in [
        "/v1/locks/a",
        "/v1/locks/b",
        "/v1/locks?state=all",
        "/v1/events",
        "/v1/overview",
        "/v1/wait-graph",
        "/v1/locks/a/explain?owner=",
        "/v1/hold-statistics?resource=a&resource=b",
        "/v1/owners",
        "/v1/state",
        "/v1/owners/",
        "/metrics",
        "/openapi.json",
    ] {
        shown.push(api.get(path).await.text);
    }
    let client = crate::harness::client(server.url()).await;
    let guard = client.lock("c").await.unwrap();
    shown.push(format!("{guard:?} {client:?}"));
    let detached = guard.detach();
    shown.push(format!("{detached:?}"));
    ids.push(serde_json::to_value(&detached).unwrap()["lease_id"].as_str().unwrap().to_owned());
    shown.push(server.logs());
    for id in &ids {
        for text in &shown {
            assert!(!text.contains(id), "lease id in: {text}");
        }
    }
}

#[tokio::test]
async fn b33_force_release_ends_only_the_named_lease() {
    let server = TestServer::start();
    let api = server.api();
    let first = api.lock("a", &Acquire::shared().with("owner", "one")).await;
    let second = api.lock("a", &Acquire::shared()).await;
    let changed = api.force_release("a", &json!(99)).await.problem(409, "holder-changed");
    assert_eq!(changed["holders"].as_array().map(Vec::len), Some(2));
    let released = api.force_release("a", &first["fencing_token"]).await.ok();
    assert_eq!(
        (released["released"]["owner"].as_str(), &released["current_token"]),
        (Some("one"), &json!(3))
    );
    assert_eq!(
        api.force_release("a", &first["fencing_token"]).await.ok(),
        released,
        "a retry gets the same reply"
    );
    let status = api.status("a").await;
    let left: Vec<&Value> =
        status["holders"].as_array().unwrap().iter().map(|holder| &holder["fencing_token"]).collect();
    assert_eq!(left, [&second["fencing_token"]]);
    api.renew("a", &second).await.ok();
    let last = api.events("a").await.pop().unwrap();
    assert_eq!(
        (last["kind"].as_str(), last["reason"].as_str()),
        (Some("force_released"), Some("requested by a test"))
    );
}
