//! One key, one grant.

use serde_json::Value;

use super::super::TestServer;
use crate::harness::{Acquire, Api, Fate, Proxy, eventually, key};

#[tokio::test]
async fn b14_an_acquire_whose_reply_was_lost_gets_the_same_lease_again() {
    let server = TestServer::start();
    let api = server.api();
    let proxy = Proxy::before(server.url()).await;
    let lossy = Api::new(&proxy.url);
    let acquire = Acquire::exclusive().key(&key());
    proxy.set(Fate::LoseAnswers);
    assert!(lossy.try_acquire("a", &acquire).await.is_err(), "the answer was to be lost");
    eventually("the first was granted", || async { api.status("a").await["state"] == "held" }).await;
    proxy.set(Fate::Pass);
    let lease = lossy.lock("a", &acquire).await;
    let again = lossy.lock("a", &acquire).await;
    assert_eq!(lease["lease_id"], again["lease_id"]);
    assert_eq!(lease["fencing_token"], 1);
    assert!(again["elapsed_ms"].as_i64().unwrap() <= 0, "its term began before the request");
    assert_eq!(api.kinds("a").await, ["granted"]);
}

#[tokio::test]
async fn b51_a_keyless_acquire_whose_answer_was_lost_meets_its_ghost_and_is_told_by_whom() {
    let server = TestServer::start();
    let api = server.api();
    let proxy = Proxy::before(server.url()).await;
    let lossy = Api::new(&proxy.url);
    let keyless = Acquire::exclusive().with("owner", "job-7 at host-3");
    proxy.set(Fate::LoseAnswers);
    assert!(lossy.try_acquire("a", &keyless).await.is_err(), "the answer was to be lost");
    eventually("the first was granted", || async { api.status("a").await["state"] == "held" }).await;
    proxy.set(Fate::Pass);
    let problem = lossy.try_acquire("a", &keyless).await.unwrap().problem(423, "lock-held");
    assert_eq!(problem["holders"][0]["owner"], "job-7 at host-3");
    assert_eq!(problem["holders"][0]["fencing_token"], 1);
    assert_eq!(api.kinds("a").await, ["granted"]);
}

#[tokio::test]
async fn b16_a_key_with_other_parameters_is_refused_and_changes_nothing() {
    let server = TestServer::start();
    let api = server.api();
    let used = key();
    let lease = api.lock("a", &Acquire::exclusive().key(&used)).await;
    let others = [
        Acquire::shared(),
        Acquire::exclusive().ttl(5000),
        Acquire::exclusive().wait(1),
        Acquire::exclusive().with("owner", "x"),
        Acquire::exclusive().with("metadata", serde_json::json!({"a": "b"})),
    ];
    for other in others {
        api.acquire("a", &other.key(&used)).await.problem(422, "idempotency-key-reused");
    }
    // What is said and what is the default are the same.
    let same = api.lock("a", &Acquire::exclusive().ttl(30_000).key(&used)).await;
    assert_eq!(same["lease_id"], lease["lease_id"]);
    assert_eq!(api.kinds("a").await, ["granted"]);
    // A key belongs to its resource.
    assert_ne!(api.lock("b", &Acquire::shared().key(&used)).await["lease_id"], lease["lease_id"]);
}

/// Ends a lease in each of the ways there are; tells key, lease and reason.
async fn end_in_every_way(api: &Api) -> Vec<(String, String, Value, &'static str, &'static str)> {
    let mut ended = Vec::new();
    for (way, by_key, by_id) in [
        ("released", "released", "released"),
        ("expired", "expired", "expired"),
        ("forced", "force_released", "force_released"),
        ("cancelled", "cancelled", "released"),
    ] {
        let (name, used) = (format!("end/{way}"), key());
        let lease = api.lock(&name, &Acquire::exclusive().ttl(500).key(&used)).await;
        match way {
            "released" => drop(api.release(&name, &lease).await.ok()),
            "forced" => drop(api.force_release(&name, &lease["fencing_token"]).await.ok()),
            "cancelled" => assert_eq!(api.cancel(&name, &used).await.ok()["outcome"], "released"),
            _ => eventually("it expires", || async { api.status(&name).await["state"] == "free" }).await,
        }
        ended.push((name, used, lease, by_key, by_id));
    }
    ended
}

async fn is_told_so(api: &Api, ended: &[(String, String, Value, &'static str, &'static str)]) {
    for (name, used, lease, by_key, by_id) in ended {
        for _ in 0..2 {
            api.acquire(name, &Acquire::exclusive().ttl(500).key(used)).await.ended(409, by_key);
            api.renew(name, lease).await.ended(410, by_id);
        }
        let release = api.release(name, lease).await;
        if *by_id == "released" {
            assert_eq!(release.ok()["fencing_token"], lease["fencing_token"]);
        } else {
            release.ended(410, by_id);
        }
    }
}

#[tokio::test]
async fn b17_a_key_whose_lease_ended_is_told_why_and_never_granted_again() {
    let server = TestServer::start();
    let api = server.api();
    let ended = end_in_every_way(&api).await;
    is_told_so(&api, &ended).await;
    // Also while somebody else holds the lock.
    for (name, ..) in &ended {
        api.lock(name, &Acquire::exclusive()).await;
    }
    is_told_so(&api, &ended).await;
}

#[tokio::test]
async fn b18_a_repeated_release_succeeds_and_never_frees_a_newer_lease() {
    let server = TestServer::start();
    let api = server.api();
    let old = api.lock("a", &Acquire::exclusive()).await;
    let first = api.release("a", &old).await.ok();
    let newer = api.lock("a", &Acquire::exclusive()).await;
    assert_eq!(api.release("a", &old).await.ok(), first);
    assert_eq!(api.check("a", &newer["fencing_token"]).await["live"], true);
}

#[tokio::test]
async fn b19_keys_hold_across_a_killed_server() {
    let mut server = TestServer::start();
    let api = server.api();
    let ended = end_in_every_way(&api).await;
    let live = Acquire::exclusive().ttl(60_000).key(&key());
    let lease = api.lock("live", &live).await;
    let lost = key();
    assert_eq!(api.cancel("never", &lost).await.ok()["outcome"], "none");
    server.kill9_and_start_again();
    let api = server.api();
    is_told_so(&api, &ended).await;
    assert_eq!(api.lock("live", &live).await["lease_id"], lease["lease_id"]);
    api.acquire("live", &Acquire::shared().key(live.key.as_ref().unwrap()))
        .await
        .problem(422, "idempotency-key-reused");
    api.acquire("never", &Acquire::exclusive().key(&lost)).await.ended(409, "cancelled");
    api.release("live", &lease).await.ok();
    server.kill9_and_start_again();
    let api = server.api();
    assert_eq!(api.release("live", &lease).await.ok()["fencing_token"], lease["fencing_token"]);
}
