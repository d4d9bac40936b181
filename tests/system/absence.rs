//! Databases and servers that are away for a moment, and back.

use std::sync::Arc;

use rustix::process::Signal;

use crate::harness::{Acquire, Backend, Own, Postgres, Server, eventually, key, now, spawn};

#[tokio::test]
async fn one_who_left_while_the_database_was_away_is_not_granted_when_it_is_back() {
    let mut own = Own::start();
    let server = own.server(&[]);
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let gone = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &Acquire::exclusive().wait(60_000).key(&key())).await })
    };
    eventually("it waits", || async { api.queue_len("a").await == 1 }).await;
    own.cluster.stop_immediately();
    gone.abort();
    // The writer has given up on telling the database.
    api.acquire("a", &Acquire::exclusive()).await.problem(503, "unavailable");
    own.cluster.start_again();
    eventually("it is away", || async {
        let status = api.get("/v1/locks/a").await;
        status.status == 200 && status.json()["waiters"][0]["away"] == true
    })
    .await;
    api.release("a", &held).await.ok();
    assert_eq!(api.status("a").await["state"], "free");
    eventually("it has lost its place", || async { api.queue_len("a").await == 0 }).await;
    assert_eq!(api.kinds("a").await, ["granted", "queued", "released", "cancelled"]);
}

#[tokio::test]
async fn who_waits_at_a_server_that_was_missed_is_granted_once_it_is_back() {
    let database = Arc::new(Postgres::new());
    let stays: Server<Postgres> = Server::on(&database, &[]);
    let goes: Server<Postgres> = Server::on(&database, &[]);
    let (here, there) = (stays.api(), goes.api());
    let held = here.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let waiting = spawn(async move { there.lock("a", &Acquire::exclusive().wait(60_000)).await });
    eventually("it waits", || async { here.queue_len("a").await == 1 }).await;
    goes.signal(Signal::STOP);
    eventually("it is missed", || async { here.status("a").await["waiters"][0]["away"] == true }).await;
    here.release("a", &held).await.ok();
    assert_eq!(here.status("a").await["state"], "free");
    let back = now();
    goes.signal(Signal::CONT);
    assert_eq!(waiting.await.unwrap()["fencing_token"], 2);
    assert!(back.elapsed().as_secs() < 5, "{:?}", back.elapsed());
}
