//! The place in the queue, which waiters of a session are told.

use std::collections::HashMap;
use std::future::IntoFuture;

use dlm_client::{Client, QueuePlace, TransportKind};
use serde_json::json;
use tokio::sync::mpsc;

use super::super::TestServer;
use crate::harness::{Acquire, WebSocket, eventually, new_key, now, quiet_test_lock, spawn};

async fn wait_in_queue(session: &mut WebSocket, name: &str) -> u64 {
    let acquire = json!({"resource": name, "idempotency_key": new_key(), "wait_ms": 60_000});
    session.send("acquire", acquire).await
}

#[tokio::test]
async fn waiter_is_told_its_place_and_each_new_position() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let mut session = WebSocket::session(server.url()).await;
    let first = wait_in_queue(&mut session, "a").await;
    assert_eq!(session.next_place().await, (first, 1, 1));
    let second = wait_in_queue(&mut session, "a").await;
    // The first one has not moved, though the queue is longer.
    assert_eq!(session.next_place().await, (second, 2, 2));
    api.release("a", &held).await.ok();
    assert_eq!(session.next_place().await, (second, 1, 1));
    let lease = session.response(first).await["lease"].clone();
    // A reply is the last message about a request.
    session.request("release", json!({"resource": "a", "lease_id": lease["lease_id"]})).await;
    assert_eq!(session.response(second).await["lease"]["fencing_token"], 3);
    let third = wait_in_queue(&mut session, "a").await;
    assert_eq!(session.next_place().await.0, third);
}

#[tokio::test]
async fn place_is_told_again_over_a_new_session() {
    let server = TestServer::start();
    let api = server.api();
    let _held = api.lock("a", &Acquire::exclusive()).await;
    let acquire = json!({"resource": "a", "idempotency_key": new_key(), "wait_ms": 60_000});
    for _ in 0..2 {
        let mut session = WebSocket::session(server.url()).await;
        let id = session.send("acquire", acquire.clone()).await;
        assert_eq!(session.next_place().await, (id, 1, 1));
    }
}

/// If each hand-over told every waiter, 1,000 waiters would get half a million messages.
#[tokio::test]
async fn waiters_are_told_places_once_a_second_however_fast_the_queue_moves() {
    const WAITERS: u64 = 1_000;
    let _quiet = quiet_test_lock();
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let mut session = WebSocket::session(server.url()).await;
    for _ in 0..WAITERS {
        wait_in_queue(&mut session, "a").await;
    }
    eventually("all are queued", || async { api.queue_len("a").await == WAITERS }).await;
    let begun = now();
    api.release("a", &held).await.ok();
    let (mut granted, mut told) = (0, 0);
    let mut told_each: HashMap<u64, u64> = HashMap::new();
    while granted < WAITERS {
        let message = session.next().await;
        let id = message["id"].as_u64().unwrap();
        if message.get("queued").is_some() {
            told += 1;
            // Messages may be read together that were sent a second apart.
            let times = told_each.entry(id).or_default();
            *times += 1;
            let seconds = begun.elapsed().as_secs() + 2;
            assert!(*times <= seconds, "told {times} times in {seconds} s");
        } else if message.get("lease").is_some() {
            granted += 1;
            let lease_id = &message["lease"]["lease_id"];
            session.send("release", json!({"resource": "a", "lease_id": lease_id})).await;
        }
    }
    let seconds = begun.elapsed().as_secs() + 2;
    assert!(told <= seconds * WAITERS, "{told} messages in {seconds} s");
}

#[tokio::test]
async fn client_reports_the_place_while_it_waits() {
    let server = TestServer::start();
    let builder = Client::builder().address(server.url()).transport(TransportKind::Session);
    let client = builder.connect().await.unwrap();
    let held = client.lock("a").await.unwrap();
    let first = spawn(client.lock("a").into_future());
    eventually("the first one is queued", || async { server.api().queue_len("a").await == 1 }).await;
    let (sender, mut places) = mpsc::unbounded_channel();
    let report = move |place: QueuePlace| sender.send((place.position, place.queue_len)).unwrap();
    let second = spawn(client.lock("a").on_queued(report).into_future());
    assert_eq!(places.recv().await, Some((2, 2)));
    held.release().await.unwrap();
    assert_eq!(places.recv().await, Some((1, 1)));
    drop(first.await.unwrap().unwrap());
    drop(second.await.unwrap().unwrap());
}
