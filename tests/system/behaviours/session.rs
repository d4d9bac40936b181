//! The session socket.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::super::TestServer;
use crate::harness::{Acquire, Fate, Proxy, Socket, alone, eventually, key, micros, now, spawn};

#[tokio::test]
async fn a_session_does_what_http_does() {
    let server = TestServer::start();
    let mut session = Socket::session(server.url()).await;
    let key = key();
    let acquire = json!({"resource": "a", "idempotency_key": key, "ttl_ms": 5000, "owner": "me"});
    let lease = session.ask("acquire", acquire.clone()).await["lease"].clone();
    assert_eq!((&lease["fencing_token"], &lease["owner"]), (&json!(1), &json!("me")));
    assert_eq!(session.ask("acquire", acquire).await["lease"]["lease_id"], lease["lease_id"]);
    let one = json!({"resource": "a", "lease_id": lease["lease_id"]});
    let renewed = session.ask("renew", one.clone()).await["lease"].clone();
    assert!(renewed["expires_at"].as_str() >= lease["expires_at"].as_str());
    let many = session.ask("renew", json!({"leases": [one, {"resource": "a", "lease_id": "x"}]})).await;
    assert_eq!(many["results"][0]["lease"]["fencing_token"], 1);
    assert_eq!(many["results"][1]["problem"]["code"], "not-holder");
    let checked = session.ask("check", json!({"resource": "a", "fencing_token": 1})).await;
    assert_eq!(checked["check"], json!({"live": true, "mode": "exclusive", "current_token": 1}));
    let status = session.ask("status", json!({"resource": "a"})).await;
    assert_eq!(status["status"]["holder_count"], 1);
    let refused = session.ask("acquire", json!({"resource": "a", "idempotency_key": "other"})).await;
    assert_eq!(refused["problem"]["code"], "lock-held");
    let released = session.ask("release", json!({"resource": "a", "lease_id": lease["lease_id"]})).await;
    assert_eq!(released["released"], json!({"released": true, "fencing_token": 1}));
    let cancelled = session.ask("cancel", json!({"resource": "a", "idempotency_key": key})).await;
    assert_eq!(cancelled["cancel"], json!({"outcome": "none"}));
}

#[tokio::test]
async fn frames_on_one_resource_are_done_in_their_order() {
    let server = TestServer::start();
    let mut session = Socket::session(server.url()).await;
    for round in 0..50 {
        let (first, second) = (key(), key());
        let name = format!("a/{round}");
        let acquire = |key: &str, wait: u64| json!({"resource": name, "idempotency_key": key, "wait_ms": wait});
        // None of them waits for an answer.
        let one = session.send("acquire", acquire(&first, 0)).await;
        let two = session.send("acquire", acquire(&second, 60_000)).await;
        let three = session.send("status", json!({"resource": name})).await;
        assert_eq!(session.answer(one).await["lease"]["fencing_token"], 1);
        assert_eq!(session.answer(three).await["status"]["queue_len"], 1);
        session.send("cancel", json!({"resource": name, "idempotency_key": first})).await;
        let four = session.send("status", json!({"resource": name})).await;
        assert_eq!(session.answer(two).await["lease"]["fencing_token"], 2);
        assert_eq!(session.answer(four).await["status"]["holders"][0]["fencing_token"], 2);
    }
}

#[tokio::test]
async fn a_frame_that_can_t_be_read_is_answered_and_the_session_goes_on() {
    let server = TestServer::start();
    let mut session = Socket::session(server.url()).await;
    session.send_text("{").await;
    let unread = session.next().await;
    assert_eq!((unread["id"].is_null(), &unread["problem"]["code"]), (true, &json!("invalid-request")));
    let bad_name = session.ask("status", json!({"resource": ".."})).await;
    assert_eq!(bad_name["problem"]["code"], "invalid-name");
    for (op, fields) in [
        ("acquire", json!({"resource": "a"})),
        ("release", json!({"resource": "a", "lease_id": "x", "ttl_ms": 5000})),
        ("check", json!({"resource": "a", "fencing_tokn": 1})),
        ("fly", json!({"resource": "a"})),
    ] {
        let refused = session.ask(op, fields).await;
        assert_eq!(refused["problem"]["code"], "invalid-request", "{refused}");
    }
    assert_eq!(session.ask("status", json!({"resource": "a"})).await["status"]["state"], "free");
    session.send_text("x".repeat(1024 * 1024 + 1)).await;
    assert_eq!(session.closed().await, 1009);
}

#[tokio::test]
async fn a_wait_over_a_session_is_answered_once() {
    let _alone = alone();
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let mut session = Socket::session(server.url()).await;
    let acquire = |key: &str, wait: u64| json!({"resource": "a", "idempotency_key": key, "wait_ms": wait});
    let (long, short) = (key(), key());
    let granted = session.send("acquire", acquire(&long, 60_000)).await;
    let started = now();
    let timed_out = session.ask("acquire", acquire(&short, 300)).await;
    assert_eq!(timed_out["problem"]["code"], "wait-timeout");
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    let events = api.events("a").await;
    assert_eq!((&events[2]["kind"], &events[3]["kind"]), (&json!("queued"), &json!("wait_timed_out")));
    let waited = micros(&events[3]["at"]) - micros(&events[2]["at"]);
    assert!((300_000 - 1000..400_000).contains(&waited), "{waited} µs");
    api.release("a", &held).await.ok();
    assert_eq!(session.answer(granted).await["lease"]["fencing_token"], 2);
}

#[tokio::test]
async fn a_waiter_whose_session_broke_keeps_its_place_for_a_while() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let first = key();
    let acquire = json!({"resource": "a", "idempotency_key": first, "wait_ms": 60_000});
    let mut session = Socket::session(server.url()).await;
    session.send("acquire", acquire.clone()).await;
    eventually("it waits", || async { api.queue_len("a").await == 1 }).await;
    drop(session);
    eventually("it is away", || async { api.status("a").await["waiters"][0]["away"] == true }).await;
    let behind = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &Acquire::exclusive().wait(20_000)).await })
    };
    eventually("another waits behind it", || async { api.queue_len("a").await == 2 }).await;
    let mut session = Socket::session(server.url()).await;
    let again = session.send("acquire", acquire).await;
    eventually("it is back", || async { api.status("a").await["waiters"][0]["away"] == false }).await;
    api.release("a", &held).await.ok();
    let lease = session.answer(again).await["lease"].clone();
    assert_eq!(lease["fencing_token"], 2);
    session.ask("release", json!({"resource": "a", "lease_id": lease["lease_id"]})).await;
    behind.await.unwrap().ok();
}

#[tokio::test]
async fn b26_a_lost_lease_is_told_at_once_over_the_session() {
    let _alone = alone();
    let server = TestServer::start();
    let api = server.api();
    let mut session = Socket::session(server.url()).await;
    let acquire = |name: &str, ttl: u64| json!({"resource": name, "idempotency_key": key(), "ttl_ms": ttl});
    let forced = session.ask("acquire", acquire("a", 60_000)).await["lease"].clone();
    let expiring = session.ask("acquire", acquire("b", 200)).await["lease"].clone();
    let released = session.ask("acquire", acquire("c", 60_000)).await["lease"].clone();
    let renewed = api.lock("d", &Acquire::exclusive().ttl(60_000)).await;
    session.ask("renew", json!({"resource": "d", "lease_id": renewed["lease_id"]})).await;
    session.ask("release", json!({"resource": "c", "lease_id": released["lease_id"]})).await;
    let ended = session.next_ended().await;
    assert_eq!(
        ended["lease_ended"],
        json!({"resource": "b", "fencing_token": expiring["fencing_token"], "reason": "expired"})
    );
    for (name, lease) in [("a", &forced), ("d", &renewed)] {
        let started = now();
        api.force_release(name, &lease["fencing_token"]).await.ok();
        let ended = session.next_ended().await;
        assert_eq!(
            ended["lease_ended"],
            json!({"resource": name, "fencing_token": lease["fencing_token"], "reason": "force_released"})
        );
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn b14_an_acquire_whose_answer_was_lost_with_its_session_gets_the_same_lease_again() {
    let server = TestServer::start();
    let api = server.api();
    let proxy = Proxy::before(server.url()).await;
    let acquire = json!({"resource": "a", "idempotency_key": key()});
    let mut session = Socket::session(&proxy.url).await;
    proxy.set(Fate::LoseAnswers);
    session.send("acquire", acquire.clone()).await;
    assert_eq!(session.closed().await, 1006, "the answer was to be lost");
    eventually("the first was granted", || async { api.status("a").await["state"] == "held" }).await;
    proxy.set(Fate::Pass);
    let mut session = Socket::session(&proxy.url).await;
    let lease = session.ask("acquire", acquire.clone()).await["lease"].clone();
    assert_eq!(lease["fencing_token"], 1);
    assert_eq!(session.ask("acquire", acquire).await["lease"]["lease_id"], lease["lease_id"]);
    assert_eq!(api.kinds("a").await, ["granted"]);
}

#[tokio::test]
async fn b15_one_key_from_twenty_callers_at_once_is_one_lease() {
    let server = TestServer::start();
    let used = key();
    let ask = |caller: usize| {
        let (api, url, used) = (server.api(), server.url().to_owned(), used.clone());
        async move {
            if caller.is_multiple_of(2) {
                let mut session = Socket::session(&url).await;
                let acquire = json!({"resource": "a", "idempotency_key": used, "wait_ms": 20_000});
                session.ask("acquire", acquire).await["lease"]["lease_id"].clone()
            } else {
                api.lock("a", &Acquire::exclusive().wait(20_000).key(&used)).await["lease_id"].clone()
            }
        }
    };
    let ids = join_all((0..20).map(ask)).await;
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(server.api().kinds("a").await, ["granted"]);
}

#[tokio::test]
async fn a_server_that_goes_away_closes_its_sessions() {
    let mut server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let mut session = Socket::session(server.url()).await;
    let mut events = Socket::events(server.url(), "").await;
    session.send("acquire", json!({"resource": "a", "idempotency_key": key(), "wait_ms": 60_000})).await;
    eventually("it waits", || async { api.queue_len("a").await == 1 }).await;
    let ended = spawn(async move { (session.closed().await, events.closed().await) });
    let status = tokio::task::spawn_blocking(move || (server.terminate(), server)).await.unwrap().0;
    assert!(status.success());
    assert_eq!(ended.await.unwrap(), (1012, 1012));
}
