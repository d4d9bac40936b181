//! Idempotency keys: one key, one grant.

use serde_json::Value;

use super::super::TestServer;
use crate::harness::{Acquire, Api, FaultProxy, NetworkFault, eventually, new_key};

#[tokio::test]
async fn b14_acquire_retried_after_a_lost_reply_gets_the_same_lease() {
    let server = TestServer::start();
    let api = server.api();
    let proxy = FaultProxy::in_front_of(server.url()).await;
    let lossy = Api::new(&proxy.url);
    let acquire = Acquire::exclusive().key(&new_key());
    proxy.inject(NetworkFault::DropResponses);
    assert!(lossy.try_acquire("a", &acquire).await.is_err(), "the response is dropped");
    eventually("the first acquire is granted", || async { api.status("a").await["state"] == "held" }).await;
    proxy.inject(NetworkFault::None);
    let lease = lossy.lock("a", &acquire).await;
    let again = lossy.lock("a", &acquire).await;
    assert_eq!(lease["lease_id"], again["lease_id"]);
    assert_eq!(lease["fencing_token"], 1);
    assert!(again["elapsed_ms"].as_i64().unwrap() <= 0, "its term began before the request");
    assert_eq!(api.event_kinds("a").await, ["granted"]);
}

#[tokio::test]
async fn b51_keyless_acquire_retried_after_a_lost_reply_is_refused_and_names_the_holder() {
    let server = TestServer::start();
    let api = server.api();
    let proxy = FaultProxy::in_front_of(server.url()).await;
    let lossy = Api::new(&proxy.url);
    let keyless = Acquire::exclusive().with("owner", "job-7 at host-3");
    proxy.inject(NetworkFault::DropResponses);
    assert!(lossy.try_acquire("a", &keyless).await.is_err(), "the response is dropped");
    eventually("the first acquire is granted", || async { api.status("a").await["state"] == "held" }).await;
    proxy.inject(NetworkFault::None);
    let problem = lossy.try_acquire("a", &keyless).await.unwrap().problem(423, "lock-held");
    assert_eq!(problem["holders"][0]["owner"], "job-7 at host-3");
    assert_eq!(problem["holders"][0]["fencing_token"], 1);
    assert_eq!(api.event_kinds("a").await, ["granted"]);
}

#[tokio::test]
async fn b16_key_reused_with_other_parameters_is_refused_and_changes_nothing() {
    let server = TestServer::start();
    let api = server.api();
    let key = new_key();
    let lease = api.lock("a", &Acquire::exclusive().key(&key)).await;
    let others = [
        Acquire::shared(),
        Acquire::exclusive().ttl(5000),
        Acquire::exclusive().wait(1),
        Acquire::exclusive().with("owner", "x"),
        Acquire::exclusive().with("metadata", serde_json::json!({"a": "b"})),
    ];
    for other in others {
        api.acquire("a", &other.key(&key)).await.problem(422, "idempotency-key-reused");
    }
    // An explicit default equals an omitted field.
    let same = api.lock("a", &Acquire::exclusive().ttl(30_000).key(&key)).await;
    assert_eq!(same["lease_id"], lease["lease_id"]);
    assert_eq!(api.event_kinds("a").await, ["granted"]);
    // A key is scoped to its resource.
    assert_ne!(api.lock("b", &Acquire::shared().key(&key)).await["lease_id"], lease["lease_id"]);
}

/// A lease that has ended, and the reasons that requests are refused with.
struct EndedLease {
    name: String,
    acquire: Acquire,
    lease: Value,
    reason_by_key: &'static str,
    reason_by_id: &'static str,
}

/// Ends one lease in each possible way.
async fn end_in_every_way(api: &Api) -> Vec<EndedLease> {
    let mut ended = Vec::new();
    for (end, reason_by_key, reason_by_id) in [
        ("released", "released", "released"),
        ("expired", "expired", "expired"),
        ("forced", "force_released", "force_released"),
        ("cancelled", "cancelled", "released"),
    ] {
        let (name, key) = (format!("end/{end}"), new_key());
        let acquire = Acquire::exclusive().ttl(if end == "expired" { 300 } else { 30_000 }).key(&key);
        let lease = api.lock(&name, &acquire).await;
        match end {
            "released" => drop(api.release(&name, &lease).await.ok()),
            "forced" => drop(api.force_release(&name, &lease["fencing_token"]).await.ok()),
            "cancelled" => assert_eq!(api.cancel(&name, &key).await.ok()["outcome"], "released"),
            _ => {
                eventually("the lease expires", || async { api.status(&name).await["state"] == "free" }).await;
            }
        }
        ended.push(EndedLease { name, acquire, lease, reason_by_key, reason_by_id });
    }
    ended
}

async fn assert_refused_with_reason(api: &Api, ended: &[EndedLease]) {
    for EndedLease { name, acquire, lease, reason_by_key, reason_by_id } in ended {
        for _ in 0..2 {
            api.acquire(name, acquire).await.ended(409, reason_by_key);
            api.renew(name, lease).await.ended(410, reason_by_id);
        }
        let release = api.release(name, lease).await;
        if *reason_by_id == "released" {
            assert_eq!(release.ok()["fencing_token"], lease["fencing_token"]);
        } else {
            release.ended(410, reason_by_id);
        }
    }
}

#[tokio::test]
async fn b17_key_of_an_ended_lease_is_refused_with_the_reason() {
    let server = TestServer::start();
    let api = server.api();
    let ended = end_in_every_way(&api).await;
    assert_refused_with_reason(&api, &ended).await;
    // Also while another lease holds the lock.
    for EndedLease { name, .. } in &ended {
        api.lock(name, &Acquire::exclusive()).await;
    }
    assert_refused_with_reason(&api, &ended).await;
}

#[tokio::test]
async fn b18_repeated_release_succeeds_and_never_releases_a_newer_lease() {
    let server = TestServer::start();
    let api = server.api();
    let old = api.lock("a", &Acquire::exclusive()).await;
    let first = api.release("a", &old).await.ok();
    let newer = api.lock("a", &Acquire::exclusive()).await;
    assert_eq!(api.release("a", &old).await.ok(), first);
    assert_eq!(api.check("a", &newer["fencing_token"]).await["live"], true);
}

#[tokio::test]
async fn b19_keys_survive_a_server_crash() {
    let mut server = TestServer::start();
    let api = server.api();
    let ended = end_in_every_way(&api).await;
    let live = Acquire::exclusive().ttl(60_000).key(&new_key());
    let lease = api.lock("live", &live).await;
    let cancelled = new_key();
    assert_eq!(api.cancel("never", &cancelled).await.ok()["outcome"], "none");
    server.kill9_and_restart();
    let api = server.api();
    assert_refused_with_reason(&api, &ended).await;
    assert_eq!(api.lock("live", &live).await["lease_id"], lease["lease_id"]);
    api.acquire("live", &Acquire::shared().key(live.key.as_ref().unwrap()))
        .await
        .problem(422, "idempotency-key-reused");
    api.acquire("never", &Acquire::exclusive().key(&cancelled)).await.ended(409, "cancelled");
    api.release("live", &lease).await.ok();
    server.kill9_and_restart();
    let api = server.api();
    assert_eq!(api.release("live", &lease).await.ok()["fencing_token"], lease["fencing_token"]);
}
