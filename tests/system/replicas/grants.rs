//! Leases and waits are the same at every server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::start_replicas;
use crate::harness::{
    Acquire, Backend, FakeClock, MachineDelay, PeerMessages, Postgres, ServerProcess, WebSocket, eventually,
    exclusive_test_lock, expires_at, micros, new_key, now, quiet_test_lock, spawn,
};

#[tokio::test]
async fn waiter_is_granted_when_the_holder_releases_at_another_server() {
    let _exclusive = exclusive_test_lock();
    let delay = MachineDelay::watch();
    let servers = start_replicas(2);
    let (first, second) = (servers[0].api(), servers[1].api());
    let mut held = first.lock("a", &Acquire::exclusive()).await;
    let mut latencies = Vec::new();
    for round in 0..30 {
        // The servers swap roles every round.
        let (holder, waiter) = if round % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let waiting = {
            let api = waiter.clone();
            spawn(async move { api.lock("a", &Acquire::exclusive().wait(20_000)).await })
        };
        eventually("the acquire is queued", || async { holder.queue_len("a").await == 1 }).await;
        let released = now();
        holder.release("a", &held).await.ok();
        held = waiting.await.unwrap();
        latencies.push(released.elapsed());
    }
    latencies.sort();
    // Less than polling would take.
    delay.assert_within("most hand-overs", latencies[latencies.len() / 2], Duration::from_millis(50));
    assert_eq!(held["fencing_token"], 31);
}

#[tokio::test]
async fn b15_one_key_at_two_servers_gets_one_lease() {
    let servers = start_replicas(2);
    for round in 0..10 {
        let (name, key) = (format!("a/{round}"), new_key());
        let acquire = |caller: usize| {
            let (api, name) = (servers[caller % 2].api(), name.clone());
            let acquire = Acquire::exclusive().wait(20_000).key(&key);
            async move { api.lock(&name, &acquire).await["lease_id"].clone() }
        };
        let ids = join_all((0..20).map(acquire)).await;
        assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(servers[0].api().event_kinds(&name).await, ["granted"]);
    }
}

#[tokio::test]
async fn waiter_is_told_that_the_queue_moved_at_another_server() {
    let servers = start_replicas(2);
    let (here, there) = (servers[0].api(), servers[1].api());
    let held = there.lock("a", &Acquire::exclusive()).await;
    let waiting = there.clone();
    let first = spawn(async move { waiting.lock("a", &Acquire::exclusive().wait(20_000)).await });
    eventually("the first one is queued", || async { here.queue_len("a").await == 1 }).await;
    let mut session = WebSocket::session(servers[0].url()).await;
    let acquire = json!({"resource": "a", "idempotency_key": new_key(), "wait_ms": 60_000});
    let id = session.send("acquire", acquire).await;
    assert_eq!(session.next_place().await, (id, 2, 2));
    there.release("a", &held).await.ok();
    assert_eq!(session.next_place().await, (id, 1, 1));
    first.await.unwrap();
}

#[tokio::test]
async fn one_key_that_waits_at_two_servers_is_granted_at_both() {
    let servers = start_replicas(2);
    let held = servers[0].api().lock("a", &Acquire::exclusive()).await;
    let key = new_key();
    let mut waiting = Vec::new();
    for server in &servers {
        let mut session = WebSocket::session(server.url()).await;
        let acquire = json!({"resource": "a", "idempotency_key": key, "wait_ms": 60_000});
        let id = session.send("acquire", acquire).await;
        // Frames on one resource are applied in order, so the acquire is queued
        // here once the status has arrived.
        let status = session.request("status", json!({"resource": "a"})).await["status"].clone();
        assert_eq!(status["queue_len"], 1);
        waiting.push((session, id));
    }
    servers[1].api().release("a", &held).await.ok();
    for (session, id) in &mut waiting {
        assert_eq!(session.response(*id).await["lease"]["fencing_token"], 2);
    }
}

#[tokio::test]
async fn lease_can_be_renewed_and_force_released_at_any_server() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let servers = start_replicas(2);
    let (first, second) = (servers[0].api(), servers[1].api());
    let lease = first.lock("a", &Acquire::exclusive().ttl(6000)).await;
    let mut expires_at = micros(&lease["expires_at"]);
    // Well past the first expiry.
    while expires_at < micros(&lease["expires_at"]) + 7_000_000 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        // Each server's cached lease is stale after the other's renewal.
        second.renew("a", &lease).await.ok();
        expires_at = micros(&first.renew("a", &lease).await.ok()["expires_at"]);
        first.acquire("a", &Acquire::exclusive()).await.problem(423, "lock-held");
    }
    let mut session = WebSocket::session(servers[0].url()).await;
    session.request("renew", json!({"resource": "a", "lease_id": lease["lease_id"], "ttl_ms": 60_000})).await;
    let force_released = now();
    second.force_release("a", &lease["fencing_token"]).await.ok();
    assert_eq!(session.next().await["lease_ended"]["reason"], "force_released");
    delay.assert_within("the notification", force_released.elapsed(), Duration::from_secs(1));
    first.renew("a", &lease).await.ended(410, "force_released");
}

#[tokio::test]
async fn b40_servers_with_clocks_hours_apart_agree_on_leases() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let database = Arc::new(Postgres::new());
    let clocks = [FakeClock::off_by(5), FakeClock::off_by(-3)];
    let servers = clocks
        .each_ref()
        .map(|clock| ServerProcess::<Postgres>::with_environment(&database, &[], clock.environment()));
    let (ahead, behind) = (servers[0].api(), servers[1].api());
    let long = ahead.lock("long", &Acquire::exclusive().ttl(60_000)).await;
    for (round, hours) in [(0, -5), (1, 0), (2, 7)] {
        let (here, there) = if round % 2 == 0 { (&ahead, &behind) } else { (&behind, &ahead) };
        let acquired = now();
        let short = here.lock("short", &Acquire::exclusive().ttl(2000)).await;
        there.acquire("short", &Acquire::exclusive()).await.problem(423, "lock-held");
        clocks[round % 2].step_to(hours);
        eventually("the short lease expires", || async { there.status("short").await["state"] == "free" })
            .await;
        let lifetime = acquired.elapsed();
        assert!(lifetime >= Duration::from_millis(1990), "{lifetime:?} after a step to {hours} h");
        delay.assert_within("the lifetime", lifetime, Duration::from_millis(3100));
        here.renew("short", &short).await.ended(410, "expired");
        for api in [&ahead, &behind] {
            api.renew("long", &long).await.ok();
        }
        // A waiter at one server is granted by a release at the other.
        let held = here.lock("handoff", &Acquire::exclusive()).await;
        let waiting = {
            let api = there.clone();
            spawn(async move { api.lock("handoff", &Acquire::exclusive().wait(60_000)).await })
        };
        eventually("the acquire is queued", || async { here.queue_len("handoff").await == 1 }).await;
        here.release("handoff", &held).await.ok();
        let next = waiting.await.unwrap();
        here.release("handoff", &next).await.ok();
    }
    assert_eq!(expires_at(&ahead, "long").await, expires_at(&behind, "long").await);
}

#[tokio::test]
async fn messages_between_servers_contain_no_idempotency_key() {
    let servers = start_replicas(2);
    let (first, second) = (servers[0].api(), servers[1].api());
    let held = first.lock("a", &Acquire::exclusive()).await;
    let waiting =
        spawn(async move { second.lock("a", &Acquire::exclusive().wait(20_000).key("s3cret-key")).await });
    eventually("the acquire is queued", || async { first.queue_len("a").await == 1 }).await;
    // Every role that can connect to the database can listen.
    let messages = PeerMessages::listen(&servers[0].database().url());
    eventually("psql listens", || async { messages.contain("listening") }).await;
    first.release("a", &held).await.ok();
    waiting.await.unwrap();
    eventually("the message is received", || async { messages.contain("WaitOver") }).await;
    assert!(!messages.contain("s3cret-key"), "{messages:?}");
}
