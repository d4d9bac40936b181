//! A holder is asked at one server to let go of a lock that it holds through another.

use std::time::Duration;

use serde_json::json;

use super::start_replicas;
use crate::harness::{
    Acquire, Backend, MachineDelay, Postgres, ServerProcess, WebSocket, eventually, micros, new_key, now,
    quiet_test_lock,
};

const LONG: u64 = 600_000;

async fn is_shown(server: &ServerProcess<Postgres>, name: &str) {
    let api = server.api();
    eventually("the request is shown", || async {
        api.status(name).await["holders"][0]["release_requested"].is_object()
    })
    .await;
}

#[tokio::test]
async fn holder_is_told_at_another_server_within_a_second() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let servers = start_replicas(2);
    let mut session = WebSocket::session(servers[0].url()).await;
    let acquire = json!({"resource": "a", "idempotency_key": new_key(), "ttl_ms": LONG});
    let lease = session.request("acquire", acquire).await["lease"].clone();
    let started = now();
    let more = json!({"within_ms": LONG});
    let asked = servers[1].api().request_release("a", &lease["fencing_token"], &more).await.ok();
    let told = session.next().await;
    assert_eq!(told["release_requested"]["deadline"], asked["deadline"], "{told}");
    delay.assert_within("the message", started.elapsed(), Duration::from_secs(1));
    let renewed = servers[0].api().renew("a", &lease).await.ok();
    assert_eq!(renewed["release_requested"]["deadline"], asked["deadline"]);
    let repeated = servers[0].api().request_release("a", &lease["fencing_token"], &more).await.ok();
    assert_eq!(repeated, asked);
}

#[tokio::test]
async fn servers_that_survive_force_the_lease_once() {
    let mut servers = start_replicas(3);
    let api = servers[2].api();
    let held = api.lock("a", &Acquire::exclusive().ttl(LONG)).await;
    let more = json!({"within_ms": 3_000, "force": true});
    let asked = servers[0].api().request_release("a", &held["fencing_token"], &more).await.ok();
    is_shown(&servers[1], "a").await;
    is_shown(&servers[2], "a").await;
    // The first server would have done it.
    servers[0].kill9();
    eventually("the lease is force-released", || async { api.status("a").await["state"] == "free" }).await;
    eventually("the request is deleted", || async {
        servers[1].database().query_i64("SELECT count(*) FROM release_requests") == 0
    })
    .await;
    let events = api.events("a").await;
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["granted", "force_released"]);
    assert!(micros(&events[1]["at"]) >= micros(&asked["deadline"]));
}
