//! Lock guards: dropped in unusual places, flushed by `close`, handed to another
//! client.

use std::time::Duration;

use super::super::TestServer;
use crate::harness::{client, eventually};

#[test]
fn b29_guard_dropped_outside_a_runtime_releases_the_lock() {
    let server = TestServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let guard = runtime.block_on(async { client(server.url()).await.lock("a").await.unwrap() });
    drop(guard);
    runtime.block_on(wait_until_free(&server, "a"));
}

#[test]
fn b29_guard_dropped_during_runtime_shutdown_releases_the_lock() {
    let server = TestServer::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let guard = runtime.block_on(async { client(server.url()).await.lock("a").await.unwrap() });
    runtime.block_on(async {
        crate::harness::spawn(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
    });
    runtime.shutdown_background();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(wait_until_free(&server, "a"));
}

#[tokio::test]
async fn b29_guard_dropped_in_a_panic_releases_the_lock() {
    let server = TestServer::start();
    let guard = client(server.url()).await.lock("a").await.unwrap();
    let panicked = crate::harness::spawn(async move {
        let _guard = guard;
        panic!("on purpose");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    wait_until_free(&server, "a").await;
}

#[tokio::test]
async fn b30_close_flushes_the_releases_of_dropped_guards() {
    let server = TestServer::start();
    let client = client(server.url()).await;
    let mut guards = Vec::new();
    for name in 0..50 {
        guards.push(client.lock(name.to_string()).await.unwrap());
    }
    drop(guards);
    client.close(Duration::from_secs(60)).await.unwrap();
    let held = server.api().get("/v1/locks").await.ok();
    assert_eq!(held["locks"].as_array().unwrap().len(), 0);
    assert!(client.lock("a").await.unwrap_err().is_closed());
}

#[tokio::test]
async fn detached_lease_can_be_adopted_by_another_client() {
    let server = TestServer::start();
    let (one, other) = (client(server.url()).await, client(server.url()).await);
    let lease = one.lock("a").await.unwrap().detach();
    let guard = other.adopt(&lease).await.unwrap();
    assert_eq!(guard.fencing_token().get(), 1);
    guard.release().await.unwrap();
    wait_until_free(&server, "a").await;
}

#[tokio::test]
async fn with_lock_stops_the_work_when_the_lock_is_lost() {
    let server = TestServer::start();
    let client = client(server.url()).await;
    let done = client.with_lock("a", async |guard| guard.fencing_token().get()).await.unwrap();
    assert_eq!(done, 1);
    let api = server.api();
    let stopped = client
        .with_lock("a", async |guard| {
            api.force_release("a", &guard.fencing_token().get().into()).await.ok();
            std::future::pending::<()>().await;
        })
        .await;
    assert!(stopped.unwrap_err().is_lost());
}

async fn wait_until_free(server: &TestServer, name: &str) {
    let api = server.api();
    eventually("the lock is free", || async { api.status(name).await["state"] == "free" }).await;
}
