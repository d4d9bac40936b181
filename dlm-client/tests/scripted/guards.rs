//! Guards: detaching, adopting, and work under a lock.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use dlm_client::{GuardState, LossReason, Mode};
use serde_json::json;

use super::server::{ScriptedReply, ScriptedServer, accept_all, problem};

const TTL: u64 = 30_000;

/// A minimal executor, independent of tokio.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}

#[test]
fn client_needs_no_tokio_runtime() {
    let server = ScriptedServer::start(accept_all(TTL));
    block_on(async {
        let client = dlm_client::Client::connect(&server.url).await.unwrap();
        let guard = client.lock("orders/42").wait(Duration::from_secs(1)).await.unwrap();
        guard.renew(Duration::from_secs(5)).await.unwrap();
        assert_eq!(
            (guard.resource(), guard.mode(), guard.fencing_token().get()),
            ("orders/42", Mode::Exclusive, 7)
        );
        guard.release().await.unwrap();
        client.close(Duration::from_secs(1)).await.unwrap();
    });
}

#[tokio::test]
async fn detached_lease_is_not_released_and_can_be_adopted_once() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    let lost = guard.lost();
    let lease = guard.detach();
    assert_eq!(lost.await, LossReason::Detached);
    let copy = lease.clone();

    let adopted = client.adopt(&lease).await.unwrap();
    assert_eq!(adopted.state(), GuardState::Held);
    assert!(client.adopt(&copy).await.unwrap_err().is_second_guard());
    assert_eq!(server.seen_of("release").len(), 0);
    adopted.release().await.unwrap();
}

#[tokio::test]
async fn ended_lease_cannot_be_adopted() {
    let mut accept = accept_all(TTL);
    let server = ScriptedServer::start(move |request| match request.operation() {
        "renew" => ScriptedReply::Json(410, problem(410, "lease-ended", Some("expired"))),
        _ => accept(request),
    });
    let client = server.client().await;
    let lease = client.lock("orders/42").await.unwrap().detach();
    assert_eq!(client.adopt(&lease).await.unwrap_err().loss_reason(), Some(LossReason::Expired));
}

#[tokio::test]
async fn with_lock_returns_the_result_and_releases_the_lock() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    // Spawned, to check that the future is `Send`.
    let work = tokio::spawn({
        let client = client.clone();
        async move {
            client
                .with_lock("orders/42", async |guard| {
                    tokio::task::yield_now().await;
                    guard.fencing_token()
                })
                .await
        }
    });
    assert_eq!(work.await.unwrap().unwrap().get(), 7);
    assert_eq!(server.seen_of("release").len(), 1);
}

#[tokio::test]
async fn with_lock_stops_the_work_when_the_lock_is_lost() {
    let mut accept = accept_all(300);
    let server = ScriptedServer::start(move |request| match request.path.as_str() {
        "/v1/renew" => {
            let problem = problem(410, "lease-ended", Some("force_released"));
            ScriptedReply::Json(200, json!({"results": [{"problem": problem}]}))
        }
        _ => accept(request),
    });
    let client = server.client().await;
    let outcome = client.with_lock("orders/42", async |_| std::future::pending::<()>().await).await;
    assert_eq!(outcome.unwrap_err().loss_reason(), Some(LossReason::ForceReleased));
}

#[tokio::test]
async fn lost_future_and_token_fire_when_the_guard_is_dropped() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    let (lost, token) = (guard.lost(), guard.lost_token());
    guard.lost_token().cancel();
    assert_eq!(guard.state(), GuardState::Held, "cancelling the token has no effect on the guard");
    assert!(!token.is_cancelled());
    drop(guard);
    assert_eq!(lost.await, LossReason::Released);
    assert!(token.is_cancelled());
}

#[tokio::test]
async fn debug_output_never_contains_the_lease_id() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    let output = format!("{client:?} {guard:?} {:?}", client.lock("a"));
    let lease = guard.detach();
    assert!(!format!("{output} {lease:?}").contains("lease-"), "{output} {lease:?}");
}

#[tokio::test]
async fn guard_tells_whether_it_holds_the_lock_and_for_which_ttl() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    assert!(guard.is_held());
    assert_eq!(guard.ttl(), Duration::from_millis(TTL));
    let (mut lost, detached) = (guard.lost(), guard.detach());
    assert_eq!((&mut lost).await, LossReason::Detached);
    assert_eq!(lost.await, LossReason::Detached, "a completed future completes again");
    drop(detached);
}

#[tokio::test]
async fn callback_is_called_when_the_lock_is_lost_and_not_when_it_is_released() {
    let mut accept = accept_all(300);
    let server = ScriptedServer::start(move |request| match request.path.as_str() {
        "/v1/renew" => {
            let problem = problem(410, "lease-ended", Some("force_released"));
            ScriptedReply::Json(200, json!({"results": [{"problem": problem}]}))
        }
        _ => accept(request),
    });
    let client = server.client().await;
    let (sender, mut reasons) = tokio::sync::mpsc::unbounded_channel();
    let report = |name: &'static str| {
        let sender = sender.clone();
        move |reason| sender.send((name, reason)).unwrap()
    };
    let released = client.lock("orders/42").await.unwrap();
    released.on_lost(report("released"));
    released.release().await.unwrap();
    let lost = client.lock("orders/42").await.unwrap();
    lost.on_lost(|_| panic!("a callback that panics ends nothing else"));
    lost.on_lost(report("lost"));
    assert_eq!(reasons.recv().await, Some(("lost", LossReason::ForceReleased)));
    assert!(!lost.is_held());
    lost.on_lost(report("late"));
    assert_eq!(reasons.recv().await, Some(("late", LossReason::ForceReleased)));
}
