//! A holder is asked to let go of its lock.

use std::time::Duration;

use dlm_client::{Client, GuardState, LossReason, TransportKind};
use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{
    Acquire, Api, Backend, MachineDelay, WebSocket, client, eventually, micros, new_key, now, quiet_test_lock,
};

/// Far beyond the end of a test.
const LONG: u64 = 600_000;

async fn requested(api: &Api, name: &str) -> Value {
    api.status(name).await["holders"][0]["release_requested"].clone()
}

#[tokio::test]
async fn holder_is_told_over_its_session_within_a_second() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let api = server.api();
    let mut session = WebSocket::session(server.url()).await;
    let acquire = json!({"resource": "a", "idempotency_key": new_key(), "ttl_ms": LONG});
    let lease = session.request("acquire", acquire).await["lease"].clone();
    assert_eq!(lease.get("release_requested"), None);
    let started = now();
    let asked = api
        .request_release("a", &lease["fencing_token"], &json!({"within_ms": LONG, "force": true}))
        .await
        .ok();
    assert_eq!(micros(&asked["deadline"]) - micros(&asked["requested_at"]), 600_000_000);
    assert_eq!(
        asked,
        json!({"resource": "a", "fencing_token": lease["fencing_token"], "requested_at": asked["requested_at"],
            "deadline": asked["deadline"], "forced": true})
    );
    let told = session.next().await;
    delay.assert_within("the message", started.elapsed(), Duration::from_secs(1));
    let request = json!({"reason": "requested by a test", "requested_at": asked["requested_at"],
        "deadline": asked["deadline"], "force": true});
    let mut message = request.clone();
    message["resource"] = json!("a");
    message["fencing_token"] = lease["fencing_token"].clone();
    assert_eq!(told, json!({"release_requested": message}));
    assert_eq!(requested(&api, "a").await, request);
    assert_eq!(api.get("/v1/locks").await.ok()["locks"][0]["holders"][0]["release_requested"], request);
    // It is not a change of the lock.
    assert_eq!(api.event_kinds("a").await, ["granted"]);
}

#[tokio::test]
async fn holder_without_a_session_is_told_with_its_next_renewal() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let other = api.lock("b", &Acquire::exclusive().ttl(60_000)).await;
    api.request_release("a", &held["fencing_token"], &json!({"within_ms": LONG})).await.ok();
    let renewed = api.renew("a", &held).await.ok();
    assert_eq!(renewed["release_requested"]["reason"], "requested by a test");
    assert_eq!(renewed["release_requested"]["force"], false);
    assert_eq!(api.renew("b", &other).await.ok().get("release_requested"), None);
    let items = json!({"leases": [
        {"resource": "a", "lease_id": held["lease_id"]}, {"resource": "b", "lease_id": other["lease_id"]}]});
    let renewed = api.post("/v1/renew", &items).await.ok();
    assert_eq!(renewed["results"][0]["lease"]["release_requested"]["reason"], "requested by a test");
    assert_eq!(renewed["results"][1]["lease"].get("release_requested"), None);
}

#[tokio::test]
async fn guard_tells_its_user_that_it_is_asked_to_let_go() {
    for transport in [TransportKind::Http, TransportKind::Auto] {
        let server = TestServer::start();
        let client =
            Client::builder().address(server.url()).transport(transport).connect().await.unwrap();
        let guard = client.lock("a").ttl(Duration::from_secs(6)).await.unwrap();
        let other = client.lock("b").await.unwrap();
        let operator = crate::harness::client(server.url()).await;
        let within = Duration::from_secs(600);
        let requested = guard.release_requested();
        let asked =
            operator.request_release("a", guard.fencing_token(), "deploy", within, true).await.unwrap();
        let request = requested.await.expect("the guard is held");
        assert_eq!((request.reason.as_str(), request.requested_by.as_deref()), ("deploy", None));
        assert_eq!((request.deadline, request.force), (asked.deadline, true), "{transport:?}");
        assert_eq!(guard.state(), GuardState::Held, "nothing happens by itself");
        assert_eq!(guard.release_requested().await, Some(request), "a later future has it too");
        let after = guard.release_requested();
        guard.release().await.unwrap();
        assert_eq!(after.await, None, "a guard that has ended is not asked");
        let never = other.release_requested();
        drop(other);
        assert_eq!(never.await, None);
    }
}

#[tokio::test]
async fn lease_is_forced_at_the_deadline_and_not_before() {
    let server = TestServer::start();
    let api = server.api();
    let client = client(server.url()).await;
    let guard = client.lock("a").ttl(Duration::from_secs(600)).await.unwrap();
    let polite = api.lock("b", &Acquire::exclusive().ttl(LONG)).await;
    let token = guard.fencing_token().get().into();
    api.request_release("b", &polite["fencing_token"], &json!({"within_ms": 1_000})).await.ok();
    let asked = api.request_release("a", &token, &json!({"within_ms": 1_000, "force": true})).await.ok();
    assert_eq!(guard.lost().await, LossReason::ForceReleased);
    let events = api.events("a").await;
    let forced: Vec<_> = events.iter().filter(|event| event["kind"] == "force_released").collect();
    let [forced] = &forced[..] else { panic!("{events:?}") };
    assert_eq!((&forced["fencing_token"], &forced["reason"]), (&token, &json!("requested by a test")));
    assert!(micros(&forced["at"]) >= micros(&asked["deadline"]), "{forced} {asked}");
    eventually("the request is deleted", || async {
        server.database().query_i64("SELECT count(*) FROM release_requests WHERE resource = 'a'") == 0
    })
    .await;
    api.request_release("a", &token, &json!({"within_ms": 1_000})).await.problem(409, "holder-changed");
    // Without `force` nothing happens at the deadline, which was earlier.
    assert_eq!(api.check("b", &polite["fencing_token"]).await["live"], true);
    assert_eq!(requested(&api, "b").await["force"], false);
}

#[tokio::test]
async fn holder_that_lets_go_in_time_ends_the_request() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive().ttl(LONG)).await;
    api.request_release("a", &held["fencing_token"], &json!({"within_ms": 1_000, "force": true})).await.ok();
    api.release("a", &held).await.ok();
    let next = api.lock("a", &Acquire::exclusive().ttl(LONG)).await;
    assert_eq!(next.get("release_requested"), None);
    assert_eq!(requested(&api, "a").await, Value::Null);
    eventually("the request is deleted", || async {
        server.database().query_i64("SELECT count(*) FROM release_requests") == 0
    })
    .await;
    assert_eq!(api.check("a", &next["fencing_token"]).await["live"], true);
    assert_eq!(api.event_kinds("a").await, ["granted", "released", "granted"]);
}

#[tokio::test]
async fn request_survives_a_restart() {
    let mut server = TestServer::start();
    let api = server.api();
    let forced = api.lock("a", &Acquire::exclusive().ttl(LONG)).await;
    let polite = api.lock("b", &Acquire::exclusive().ttl(LONG)).await;
    let ask = |within: u64, force: bool| json!({"within_ms": within, "force": force});
    let asked = api.request_release("a", &forced["fencing_token"], &ask(3_000, true)).await.ok();
    api.request_release("b", &polite["fencing_token"], &ask(LONG, false)).await.ok();
    server.kill9_and_restart();
    let api = server.api();
    assert_eq!(requested(&api, "b").await["reason"], "requested by a test");
    assert_eq!(api.renew("b", &polite).await.ok()["release_requested"]["force"], false);
    eventually("the lease is force-released", || async { api.status("a").await["state"] == "free" }).await;
    let events = api.events("a").await;
    assert!(micros(&events[1]["at"]) >= micros(&asked["deadline"]), "{events:?} {asked}");
}

#[tokio::test]
async fn repeated_request_gets_the_reply_of_the_first_one() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive().ttl(LONG)).await;
    let ask = async |more: Value| api.request_release("a", &held["fencing_token"], &more).await.ok();
    let first = ask(json!({"within_ms": LONG})).await;
    assert_eq!(first["forced"], false);
    assert_eq!(ask(json!({"within_ms": LONG})).await, first);
    assert_eq!(ask(json!({"within_ms": 1_000, "force": true})).await, first);
}

#[tokio::test]
async fn request_for_a_token_that_is_not_live_is_refused() {
    let server = TestServer::start();
    let api = server.api();
    let more = json!({"within_ms": 1_000, "force": true});
    api.request_release("a", &json!(1), &more).await.problem(409, "holder-changed");
    let old = api.lock("a", &Acquire::exclusive()).await;
    api.release("a", &old).await.ok();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let refused = api.request_release("a", &old["fencing_token"], &more).await.problem(409, "holder-changed");
    assert_eq!(refused["holders"][0]["fencing_token"], held["fencing_token"]);
    assert_eq!(requested(&api, "a").await, Value::Null);
}

#[tokio::test]
async fn request_is_checked() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive().ttl(LONG)).await;
    for more in [
        json!({"within_ms": 999}),
        json!({"within_ms": 3_600_001}),
        json!({"within_ms": -1}),
        json!({"within_ms": 1000.5}),
        json!({}),
        json!({"within_ms": 1_000, "force": "yes"}),
        json!({"within_ms": 1_000, "reason": " "}),
        json!({"within_ms": 1_000, "reason": "r".repeat(1_025)}),
        json!({"within_ms": 1_000, "forced": true}),
    ] {
        api.request_release("a", &held["fencing_token"], &more).await.problem(400, "invalid-request");
    }
    assert_eq!(requested(&api, "a").await, Value::Null);
    for bound in [1_000, 3_600_000] {
        let name = format!("bound/{bound}");
        let held = api.lock(&name, &Acquire::exclusive().ttl(LONG)).await;
        api.request_release(&name, &held["fencing_token"], &json!({"within_ms": bound})).await.ok();
    }
}
