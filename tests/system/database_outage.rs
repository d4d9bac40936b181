//! A database that is unavailable for a while, and connections that break at a
//! COMMIT.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{
    Acquire, Backend, CommitFault, CommitFaultProxy, DedicatedPostgres, Postgres, ServerProcess, eventually,
    new_key, now, quiet_test_lock, spawn,
};

#[tokio::test]
async fn b41_five_second_outage_returns_unavailable_and_loses_nothing() {
    let mut postgres = DedicatedPostgres::start();
    let server = postgres.server(&[]);
    let api = server.api();
    let held = api.lock("held", &Acquire::exclusive().ttl(60_000)).await;
    let key = new_key();
    let waiting = {
        let (api, key) = (api.clone(), key.clone());
        spawn(async move {
            loop {
                let response = api.acquire("held", &Acquire::exclusive().wait(60_000).key(&key)).await;
                if response.status == 200 {
                    return response.json();
                }
                assert!(matches!(response.status, 202 | 503), "{}", response.text);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    };
    eventually("the acquire is queued", || async { api.queue_len("held").await == 1 }).await;
    postgres.cluster.stop_immediately();
    let stopped = now();
    let mut failed = Vec::new();
    while stopped.elapsed() < Duration::from_secs(5) {
        let name = new_key();
        let response = api.acquire(&name, &Acquire::exclusive().key(&name)).await;
        let problem = response.problem(503, "unavailable");
        assert!(problem["retry_after_ms"].as_u64().is_some() && response.headers.contains_key("retry-after"));
        failed.push(name);
    }
    assert!(!failed.is_empty());
    assert_eq!(api.get("/livez").await.status, 200);
    assert_eq!(api.get("/readyz").await.status, 503);
    postgres.cluster.restart();
    eventually("the server is ready again", || async { api.get("/readyz").await.status == 200 }).await;
    api.renew("held", &held).await.ok();
    api.release("held", &held).await.ok();
    assert_eq!(waiting.await.unwrap()["fencing_token"], 2);
    let kinds = api.event_kinds("held").await;
    assert_eq!(kinds, ["granted", "queued", "released", "granted"]);
    // Each request that failed with 503 was applied as a whole or not at all.
    for name in failed {
        let status = api.status(&name).await;
        let (held, granted) = (status["state"] == "held", api.event_kinds(&name).await.len());
        assert_eq!((status["current_token"].as_u64(), granted), (Some(held.into()), usize::from(held)));
        let retried = api.lock(&name, &Acquire::exclusive().key(&name)).await;
        assert_eq!(retried["fencing_token"], 1);
        assert_eq!(api.event_kinds(&name).await, ["granted"]);
    }
}

#[tokio::test]
async fn server_that_cannot_write_to_postgres_is_not_ready_and_says_why() {
    let server = ServerProcess::<Postgres>::start();
    let api = server.api();
    for (code, why) in [("disk_full", "disk is full"), ("read_only_sql_transaction", "read-only")] {
        assert_eq!(api.get("/readyz").await.status, 200);
        server.database().execute(&format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON writers EXECUTE FUNCTION refuse()"
        ));
        let unready = api.get("/readyz").await.problem(503, "unavailable");
        assert!(unready["detail"].as_str().unwrap().contains(why), "{unready}");
        let error = dlm_client::Client::connect(server.url()).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        server.database().execute("DROP FUNCTION refuse CASCADE");
        eventually("the server is ready again", || async { api.get("/readyz").await.status == 200 }).await;
    }
    api.lock("a", &Acquire::exclusive()).await;
}

#[tokio::test]
async fn b42_connection_broken_at_commit_applies_the_batch_once() {
    let postgres = DedicatedPostgres::start();
    let proxy = CommitFaultProxy::in_front_of(postgres.cluster.port());
    let server = postgres.server_through(proxy.port, &[]);
    let api = server.api();
    for round in 0..10 {
        let name = format!("a/{round}");
        let fault = if round % 2 == 0 { CommitFault::AfterDelivery } else { CommitFault::BeforeDelivery };
        proxy.fail_next_commit(fault);
        // Without an idempotency key. If the batch were retried although it had
        // committed, the acquire would conflict with its own lease.
        let lease = api.acquire(&name, &Acquire::exclusive()).await.ok();
        assert_eq!(lease["fencing_token"], 1, "round {round}");
        assert_eq!(api.event_kinds(&name).await, ["granted"]);
        api.release(&name, &lease).await.ok();
        assert!(proxy.has_failed_commit(), "round {round}");
    }
}

#[tokio::test]
async fn b63_server_that_starts_after_an_outage_declares_nobody_dead() {
    let _quiet = quiet_test_lock();
    let mut postgres = DedicatedPostgres::start();
    let servers = [postgres.server(&[]), postgres.server(&[])];
    let held = servers[0].api().lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let waiting = {
        let api = servers[1].api();
        spawn(async move { api.lock("a", &Acquire::exclusive().wait(60_000)).await })
    };
    eventually("the acquire is queued", || async { servers[0].api().queue_len("a").await == 1 }).await;
    // The new server is the first to reach the database after the outage.
    servers.iter().for_each(|server| server.signal(Signal::STOP));
    postgres.cluster.stop_immediately();
    postgres.cluster.restart();
    let database = Arc::clone(servers[0].database());
    let outage_us = 10_000_000;
    database.execute(&format!("UPDATE replicas SET seen_at = seen_at - {outage_us}"));
    let declared_dead = || database.query_i64("SELECT count(*) FROM replicas WHERE gone_since IS NOT NULL");
    let started = now();
    let fresh = postgres.server(&[]);
    assert_eq!(declared_dead(), 0);
    servers.iter().for_each(|server| server.signal(Signal::CONT));
    // By then the new server may judge the others.
    while started.elapsed() < Duration::from_secs(5) {
        assert_eq!(declared_dead(), 0, "after {:?}", started.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for server in [&servers[0], &servers[1], &fresh] {
        assert!(!server.logs().contains("declared this server dead"), "{}", server.logs());
    }
    fresh.api().release("a", &held).await.ok();
    assert_eq!(waiting.await.unwrap()["fencing_token"], 2);
}

#[tokio::test]
async fn waiter_that_disconnects_during_an_outage_is_not_granted_afterwards() {
    let mut postgres = DedicatedPostgres::start();
    let server = postgres.server(&[]);
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let disconnecting = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &Acquire::exclusive().wait(60_000).key(&new_key())).await })
    };
    eventually("the acquire is queued", || async { api.queue_len("a").await == 1 }).await;
    postgres.cluster.stop_immediately();
    disconnecting.abort();
    // By now the writer has failed to record that the waiter is away.
    api.acquire("a", &Acquire::exclusive()).await.problem(503, "unavailable");
    postgres.cluster.restart();
    eventually("the waiter is away", || async {
        let status = api.get("/v1/locks/a").await;
        status.status == 200 && status.json()["waiters"][0]["away"] == true
    })
    .await;
    api.release("a", &held).await.ok();
    assert_eq!(api.status("a").await["state"], "free");
    eventually("the waiter has lost its place", || async { api.queue_len("a").await == 0 }).await;
    assert_eq!(api.event_kinds("a").await, ["granted", "queued", "released", "cancelled"]);
}
