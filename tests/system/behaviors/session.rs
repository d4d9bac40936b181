//! The session socket.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::super::TestServer;
use crate::harness::{
    Acquire, Backend, FaultProxy, MachineDelay, NetworkFault, WebSocket, eventually, quiet_test_lock, micros, new_key, now,
    spawn,
};

#[tokio::test]
async fn session_supports_the_operations_of_http() {
    let server = TestServer::start();
    let mut session = WebSocket::session(server.url()).await;
    let key = new_key();
    let acquire = json!({"resource": "a", "idempotency_key": key, "owner": "me"});
    let lease = session.request("acquire", acquire.clone()).await["lease"].clone();
    assert_eq!((&lease["fencing_token"], &lease["owner"]), (&json!(1), &json!("me")));
    assert_eq!(session.request("acquire", acquire).await["lease"]["lease_id"], lease["lease_id"]);
    let one = json!({"resource": "a", "lease_id": lease["lease_id"]});
    let renewed = session.request("renew", one.clone()).await["lease"].clone();
    assert!(renewed["expires_at"].as_str() >= lease["expires_at"].as_str());
    let many = session.request("renew", json!({"leases": [one, {"resource": "a", "lease_id": "x"}]})).await;
    assert_eq!(many["results"][0]["lease"]["fencing_token"], 1);
    assert_eq!(many["results"][1]["problem"]["code"], "not-holder");
    let checked = session.request("check", json!({"resource": "a", "fencing_token": 1})).await;
    assert_eq!(checked["check"], json!({"live": true, "mode": "exclusive", "current_token": 1}));
    let status = session.request("status", json!({"resource": "a"})).await;
    assert_eq!(status["status"]["holder_count"], 1);
    let refused = session.request("acquire", json!({"resource": "a", "idempotency_key": "other"})).await;
    assert_eq!(refused["problem"]["code"], "lock-held");
    let released = session.request("release", json!({"resource": "a", "lease_id": lease["lease_id"]})).await;
    assert_eq!(released["released"], json!({"released": true, "fencing_token": 1}));
    let cancelled = session.request("cancel", json!({"resource": "a", "idempotency_key": key})).await;
    assert_eq!(cancelled["cancel"], json!({"outcome": "none"}));
}

#[tokio::test]
async fn frames_on_one_resource_are_applied_in_order() {
    let server = TestServer::start();
    let mut session = WebSocket::session(server.url()).await;
    for round in 0..50 {
        let (first, second) = (new_key(), new_key());
        let name = format!("a/{round}");
        let acquire =
            |key: &str, wait: u64| json!({"resource": name, "idempotency_key": key, "wait_ms": wait});
        // All are sent before any response arrives.
        let one = session.send("acquire", acquire(&first, 0)).await;
        let two = session.send("acquire", acquire(&second, 60_000)).await;
        let three = session.send("status", json!({"resource": name})).await;
        assert_eq!(session.response(one).await["lease"]["fencing_token"], 1);
        assert_eq!(session.response(three).await["status"]["queue_len"], 1);
        session.send("cancel", json!({"resource": name, "idempotency_key": first})).await;
        let four = session.send("status", json!({"resource": name})).await;
        assert_eq!(session.response(two).await["lease"]["fencing_token"], 2);
        assert_eq!(session.response(four).await["status"]["holders"][0]["fencing_token"], 2);
    }
}

/// The thread that has a result sends it, but must not wait for the peer.
#[tokio::test]
async fn peer_that_reads_late_gets_all_replies() {
    /// More than the socket takes while the peer does not read.
    const OPERATIONS: u64 = 1000;
    let server = TestServer::start();
    let mut session = WebSocket::slow_session(server.url()).await;
    let metadata = json!({"padding": "x".repeat(4000)});
    for number in 0..OPERATIONS {
        session.send("acquire", json!({"resource": format!("a/{number}"), "metadata": metadata})).await;
        // One after the other: a reply among many is left to the session's task.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for id in 1..=OPERATIONS {
        assert_eq!(session.response(id).await["lease"]["fencing_token"], 1);
    }
}

#[tokio::test]
async fn malformed_frame_is_answered_and_the_session_stays_open() {
    let server = TestServer::start();
    let mut session = WebSocket::session(server.url()).await;
    session.send_text("{").await;
    let malformed = session.next().await;
    assert_eq!((malformed["id"].is_null(), &malformed["problem"]["code"]), (true, &json!("invalid-request")));
    let bad_name = session.request("status", json!({"resource": ".."})).await;
    assert_eq!(bad_name["problem"]["code"], "invalid-name");
    for (op, fields) in [
        ("cancel", json!({"resource": "a"})),
        ("release", json!({"resource": "a", "lease_id": "x", "ttl_ms": 5000})),
        ("check", json!({"resource": "a", "fencing_tokn": 1})),
        ("fly", json!({"resource": "a"})),
    ] {
        let refused = session.request(op, fields).await;
        assert_eq!(refused["problem"]["code"], "invalid-request", "{refused}");
    }
    assert_eq!(session.request("status", json!({"resource": "a"})).await["status"]["state"], "free");
    session.send_text("x".repeat(1024 * 1024 + 1)).await;
    assert_eq!(session.close_code().await, 1009);
}

#[tokio::test]
async fn wait_over_a_session_is_answered_once() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let mut session = WebSocket::session(server.url()).await;
    let acquire = |key: &str, wait: u64| json!({"resource": "a", "idempotency_key": key, "wait_ms": wait});
    let (long, short) = (new_key(), new_key());
    let granted = session.send("acquire", acquire(&long, 60_000)).await;
    let started = now();
    let timed_out = session.request("acquire", acquire(&short, 300)).await;
    assert_eq!(timed_out["problem"]["code"], "wait-timeout");
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    let events = api.events("a").await;
    assert_eq!((&events[2]["kind"], &events[3]["kind"]), (&json!("queued"), &json!("wait_timed_out")));
    let waited = micros(&events[3]["at"]) - micros(&events[2]["at"]);
    assert!(waited >= 300_000 - 1000, "{waited} µs");
    delay.assert_within(
        "the wait",
        Duration::from_micros(waited.unsigned_abs()),
        Duration::from_millis(400),
    );
    api.release("a", &held).await.ok();
    assert_eq!(session.response(granted).await["lease"]["fencing_token"], 2);
}

#[tokio::test]
async fn waiter_keeps_its_place_after_its_session_breaks() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let first = new_key();
    let acquire = json!({"resource": "a", "idempotency_key": first, "wait_ms": 60_000});
    let mut session = WebSocket::session(server.url()).await;
    session.send("acquire", acquire.clone()).await;
    eventually("the acquire is queued", || async { api.queue_len("a").await == 1 }).await;
    drop(session);
    eventually("the waiter is away", || async { api.status("a").await["waiters"][0]["away"] == true }).await;
    let behind = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &Acquire::exclusive().wait(20_000)).await })
    };
    eventually("another acquire is queued behind it", || async { api.queue_len("a").await == 2 }).await;
    let mut session = WebSocket::session(server.url()).await;
    let id = session.send("acquire", acquire).await;
    eventually("the waiter is back", || async { api.status("a").await["waiters"][0]["away"] == false }).await;
    api.release("a", &held).await.ok();
    let lease = session.response(id).await["lease"].clone();
    assert_eq!(lease["fencing_token"], 2);
    session.request("release", json!({"resource": "a", "lease_id": lease["lease_id"]})).await;
    behind.await.unwrap().ok();
}

#[tokio::test]
async fn b67_acquire_without_a_key_leaves_at_once_when_its_session_breaks() {
    let server = TestServer::start();
    let api = server.api();
    let keyless = |wait: u64| json!({"resource": "a", "wait_ms": wait});
    let mut holder = WebSocket::session(server.url()).await;
    let lease = holder.request("acquire", keyless(0)).await["lease"].clone();
    assert_eq!(lease["fencing_token"], 1);
    assert_eq!(
        holder.request("acquire", keyless(0)).await["problem"]["code"],
        "lock-held",
        "a retry is a new request"
    );
    let mut leaving = WebSocket::session(server.url()).await;
    leaving.send("acquire", keyless(60_000)).await;
    eventually("the acquire is queued", || async { api.queue_len("a").await == 1 }).await;
    drop(leaving);
    eventually("the waiter has left", || async { api.queue_len("a").await == 0 }).await;
    let events = api.events("a").await;
    assert_eq!((&events[2]["kind"], &events[2]["reason"]), (&json!("cancelled"), &json!("away")));
    let noticed_after = micros(&events[2]["at"]) - micros(&events[1]["at"]);
    assert!(noticed_after < 10_000_000, "it keeps no place: {noticed_after} µs");
    let waiting = holder.send("acquire", keyless(60_000)).await;
    let release = json!({"resource": "a", "lease_id": lease["lease_id"]});
    assert_eq!(holder.request("release", release).await["released"]["released"], true);
    assert_eq!(holder.response(waiting).await["lease"]["fencing_token"], 2);
    drop(holder);
    assert_eq!(api.status("a").await["holder_count"], 1, "a lease survives its session");
}

#[tokio::test]
async fn b59_keyless_grant_that_finds_no_session_is_released_at_once() {
    let server = TestServer::start();
    let api = server.api();
    let connected = async || {
        let metrics = api.get("/metrics").await.text;
        let sessions =
            |line: &&str| line.starts_with("dlm_websocket_connections{") && line.contains("session");
        metrics.lines().find(sessions).is_some_and(|line| line.ends_with(" 1"))
    };
    for wait_ms in [0, 60_000] {
        let name = format!("keyless/{wait_ms}");
        let acquire = json!({"resource": name, "wait_ms": wait_ms});
        // The acquire fails if the database is blocked for too long.
        eventually("an acquire is granted", || async {
            let blocked = server.database().block_writes();
            let mut session = WebSocket::session(server.url()).await;
            session.send("acquire", acquire.clone()).await;
            // Answered at once, after the acquire is enqueued.
            session.request("fly", json!({})).await;
            assert!(connected().await);
            drop(session);
            eventually("the session is closed", || async { !connected().await }).await;
            drop(blocked);
            // Executed after the acquire.
            api.cancel(&name, &new_key()).await;
            !api.event_kinds(&name).await.is_empty()
        })
        .await;
        eventually("the grant is released", || async {
            api.event_kinds(&name).await == ["granted", "released"]
        })
        .await;
        assert_eq!(api.status(&name).await["state"], "free");
    }
}

#[tokio::test]
async fn b26_session_is_notified_at_once_of_a_lost_lease() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let api = server.api();
    let mut session = WebSocket::session(server.url()).await;
    let acquire =
        |name: &str, ttl: u64| json!({"resource": name, "idempotency_key": new_key(), "ttl_ms": ttl});
    let force_released = session.request("acquire", acquire("a", 60_000)).await["lease"].clone();
    let expiring = session.request("acquire", acquire("b", 200)).await["lease"].clone();
    let released = session.request("acquire", acquire("c", 60_000)).await["lease"].clone();
    let renewed = api.lock("d", &Acquire::exclusive().ttl(60_000)).await;
    session.request("renew", json!({"resource": "d", "lease_id": renewed["lease_id"]})).await;
    session.request("release", json!({"resource": "c", "lease_id": released["lease_id"]})).await;
    let ended = session.next_lease_ended().await;
    assert_eq!(
        ended["lease_ended"],
        json!({"resource": "b", "fencing_token": expiring["fencing_token"], "reason": "expired"})
    );
    for (name, lease) in [("a", &force_released), ("d", &renewed)] {
        let started = now();
        api.force_release(name, &lease["fencing_token"]).await.ok();
        let ended = session.next_lease_ended().await;
        assert_eq!(
            ended["lease_ended"],
            json!({"resource": name, "fencing_token": lease["fencing_token"], "reason": "force_released"})
        );
        delay.assert_within("the notification", started.elapsed(), Duration::from_secs(1));
    }
}

#[tokio::test]
async fn b14_acquire_retried_after_its_session_broke_gets_the_same_lease() {
    let server = TestServer::start();
    let api = server.api();
    let proxy = FaultProxy::in_front_of(server.url()).await;
    let acquire = json!({"resource": "a", "idempotency_key": new_key()});
    let mut session = WebSocket::session(&proxy.url).await;
    proxy.inject(NetworkFault::DropResponses);
    session.send("acquire", acquire.clone()).await;
    assert_eq!(session.close_code().await, 1006, "the response is dropped");
    eventually("the first acquire is granted", || async { api.status("a").await["state"] == "held" }).await;
    proxy.inject(NetworkFault::None);
    let mut session = WebSocket::session(&proxy.url).await;
    let lease = session.request("acquire", acquire.clone()).await["lease"].clone();
    assert_eq!(lease["fencing_token"], 1);
    assert_eq!(session.request("acquire", acquire).await["lease"]["lease_id"], lease["lease_id"]);
    assert_eq!(api.event_kinds("a").await, ["granted"]);
}

#[tokio::test]
async fn b15_one_key_from_twenty_concurrent_callers_gets_one_lease() {
    let server = TestServer::start();
    let key = new_key();
    let acquire = |caller: usize| {
        let (api, url, key) = (server.api(), server.url().to_owned(), key.clone());
        async move {
            if caller.is_multiple_of(2) {
                let mut session = WebSocket::session(&url).await;
                let acquire = json!({"resource": "a", "idempotency_key": key, "wait_ms": 20_000});
                session.request("acquire", acquire).await["lease"]["lease_id"].clone()
            } else {
                api.lock("a", &Acquire::exclusive().wait(20_000).key(&key)).await["lease_id"].clone()
            }
        }
    };
    let ids = join_all((0..20).map(acquire)).await;
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(server.api().event_kinds("a").await, ["granted"]);
}

#[tokio::test]
async fn server_shutdown_closes_sockets_with_1012() {
    let mut server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let mut session = WebSocket::session(server.url()).await;
    let mut events = WebSocket::events(server.url(), "").await;
    session.send("acquire", json!({"resource": "a", "idempotency_key": new_key(), "wait_ms": 60_000})).await;
    eventually("the acquire is queued", || async { api.queue_len("a").await == 1 }).await;
    let close_codes = spawn(async move { (session.close_code().await, events.close_code().await) });
    let status = tokio::task::spawn_blocking(move || (server.terminate(), server)).await.unwrap().0;
    assert!(status.success());
    assert_eq!(close_codes.await.unwrap(), (1012, 1012));
}
