//! Releasing locks and closing the client.

use std::future::IntoFuture;
use std::time::Duration;

use super::server::{ScriptedReply, ScriptedServer, accept_all, released};

const TTL: u64 = 30_000;
const SOON: Duration = Duration::from_secs(5);

/// Replies to releases with `release`, and accepts all other requests.
fn release_replies(mut release: impl FnMut() -> ScriptedReply + Send + 'static) -> ScriptedServer {
    let mut accept = accept_all(TTL);
    ScriptedServer::start(move |request| match request.operation() {
        "release" => release(),
        _ => accept(request),
    })
}

#[test]
fn guard_can_be_dropped_outside_a_runtime_in_a_panic_and_after_its_runtime() {
    let server = ScriptedServer::start(accept_all(TTL));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let client = runtime.block_on(server.client());
    let lock = || runtime.block_on(client.lock("orders/42").into_future()).unwrap();

    drop(lock());
    let in_panic = lock();
    let panicked = std::thread::spawn(move || {
        let _guard = in_panic;
        panic!("expected by the test");
    });
    assert!(panicked.join().is_err());
    let (in_task, after) = (lock(), lock());
    runtime.spawn(async move {
        let _guard = in_task;
        std::future::pending::<()>().await;
    });
    runtime.block_on(server.wait_for("release", 2));
    drop(runtime);
    drop(after);

    let another = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    another.block_on(server.wait_for("release", 4));
}

#[tokio::test]
async fn release_is_retried_until_it_is_answered() {
    let mut attempts = 0;
    let server = release_replies(move || {
        attempts += 1;
        if attempts < 4 { ScriptedReply::Cut } else { released() }
    });
    let client = server.client().await;
    client.lock("orders/42").await.unwrap().release().await.unwrap();
    assert_eq!(server.seen_of("release").len(), 4);
}

#[tokio::test]
async fn close_completes_pending_releases_and_ends_all_waits() {
    let mut grants = 0;
    let mut accept = accept_all(TTL);
    let server = ScriptedServer::start(move |request| match request.operation() {
        "acquire" => {
            grants += 1;
            if grants > 20 { ScriptedReply::Silence } else { accept(request) }
        }
        "release" => ScriptedReply::After(Duration::from_millis(100), Box::new(released())),
        _ => accept(request),
    });
    let client = server.client().await;
    let taking = (0..20).map(|_| client.lock("orders/42").into_future());
    let mut guards = futures_util::future::try_join_all(taking).await.unwrap();
    let survivor = guards.pop().unwrap();
    let waiting = tokio::spawn(client.lock("orders/42").into_future());
    server.wait_for("acquire", 21).await;

    drop(guards);
    client.close(SOON).await.unwrap();
    assert_eq!(server.seen_of("release").len(), 19);
    assert!(waiting.await.unwrap().unwrap_err().is_closed());
    assert!(client.lock("orders/42").await.unwrap_err().is_closed());
    assert!(client.clone().status("orders/42").await.unwrap_err().is_closed());

    survivor.live_token().unwrap();
    survivor.release().await.unwrap();
}

#[tokio::test]
async fn close_times_out_if_releases_are_pending() {
    let server = release_replies(|| ScriptedReply::Silence);
    let client = server.client().await;
    drop(client.lock("orders/42").await.unwrap());
    assert!(client.close(Duration::from_millis(100)).await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn last_release_is_sent_even_if_the_client_is_dropped() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    drop(client);
    drop(guard);
    server.wait_for("release", 1).await;
}

#[tokio::test]
async fn dropped_release_future_still_releases() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    drop(client.lock("orders/42").await.unwrap().release());
    server.wait_for("release", 1).await;
}

#[tokio::test]
async fn close_waits_for_the_release_of_an_abandoned_adopt() {
    let mut accept = accept_all(TTL);
    let server = ScriptedServer::start(move |request| match request.operation() {
        "renew" => ScriptedReply::After(Duration::from_millis(200), Box::new(accept(request))),
        _ => accept(request),
    });
    let client = server.client().await;
    let lease = client.lock("orders/42").await.unwrap().detach();
    {
        let mut adopting = std::pin::pin!(client.adopt(&lease));
        assert!(futures_util::poll!(adopting.as_mut()).is_pending());
    }
    client.close(SOON).await.unwrap();
    assert_eq!(server.seen_of("release").len(), 1);
}
