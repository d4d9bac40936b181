//! The client in programs without async.

use std::time::Duration;

use dlm_client::{Client, GuardState};

use super::server::{ScriptedServer, accept_all};

const TTL: u64 = 30_000;

#[test]
fn plain_thread_locks_renews_releases_and_closes() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = Client::connect_blocking(&server.url).unwrap();
    let guard = client.lock_blocking("orders/42").unwrap();
    assert_eq!(guard.state(), GuardState::Held);
    guard.renew_blocking(Duration::from_secs(60)).unwrap();
    let guard = client.adopt_blocking(&guard.detach()).unwrap();
    guard.release_blocking().unwrap();
    drop(client.try_lock_blocking("orders/42").unwrap().unwrap());
    client.close_blocking(Duration::from_secs(5)).unwrap();
    assert_eq!(server.seen_of("release").len(), 2, "the second one was waited for");
    assert!(client.lock_blocking("orders/42").unwrap_err().is_closed());
}

#[tokio::test]
async fn blocking_call_panics_in_an_async_task_and_works_on_a_thread_for_blocking() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    let in_task = tokio::spawn({
        let client = client.clone();
        async move { drop(client.lock_blocking("orders/42")) }
    });
    let panic = in_task.await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap()).to_owned());
    assert!(message.contains("from within a runtime"), "{message}");
    assert_eq!(server.seen_of("acquire").len(), 0);

    let blocking = tokio::task::spawn_blocking(move || client.lock_blocking("orders/42")?.release_blocking());
    blocking.await.unwrap().unwrap();
}
