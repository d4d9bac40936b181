//! Guards at the edges: dropped anywhere, closed, handed on.

use std::time::Duration;

use crate::harness::{client, eventually};
use super::super::TestServer;

#[test]
fn b29_a_guard_dropped_outside_a_runtime_releases() {
    let server = TestServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let guard = runtime.block_on(async { client(server.url()).await.lock("a").await.unwrap() });
    drop(guard);
    runtime.block_on(is_free(&server, "a"));
}

#[test]
fn b29_a_guard_dropped_while_its_runtime_shuts_down_releases() {
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
    runtime.block_on(is_free(&server, "a"));
}

#[tokio::test]
async fn b29_a_guard_dropped_in_a_panic_releases() {
    let server = TestServer::start();
    let guard = client(server.url()).await.lock("a").await.unwrap();
    let panicked = crate::harness::spawn(async move {
        let _guard = guard;
        panic!("as the test wants");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    is_free(&server, "a").await;
}

#[tokio::test]
async fn b30_close_flushes_the_releases_of_guards_dropped_before() {
    let server = TestServer::start();
    let client = client(server.url()).await;
    let mut guards = Vec::new();
    for name in 0..50 {
        guards.push(client.lock(name.to_string()).await.unwrap());
    }
    drop(guards);
    client.close(Duration::from_secs(10)).await.unwrap();
    let held = server.api().get("/v1/locks").await.ok();
    assert_eq!(held["locks"].as_array().unwrap().len(), 0);
    assert!(client.lock("a").await.unwrap_err().is_closed());
}

#[tokio::test]
async fn a_lease_is_handed_on_to_another_client() {
    let server = TestServer::start();
    let (one, other) = (client(server.url()).await, client(server.url()).await);
    let lease = one.lock("a").ttl(Duration::from_secs(5)).await.unwrap().detach();
    let guard = other.adopt(lease).await.unwrap();
    assert_eq!(guard.fencing_token().get(), 1);
    guard.release().await.unwrap();
    is_free(&server, "a").await;
}

#[tokio::test]
async fn work_under_a_lock_stops_when_the_lock_is_lost() {
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

async fn is_free(server: &TestServer, name: &str) {
    let api = server.api();
    eventually("the lock is free", || async { api.status(name).await["state"] == "free" }).await;
}
