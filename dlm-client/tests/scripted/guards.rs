use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use dlm_client::{GuardState, LossReason, Mode};
use serde_json::json;

use crate::server::{Reply, Server, obliging, problem};

const TTL: u64 = 30_000;

/// An executor that knows nothing of tokio.
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
fn the_client_needs_no_runtime() {
    let server = Server::start(obliging(TTL));
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
async fn a_detached_lease_is_left_alone_and_can_be_adopted_once() {
    let server = Server::start(obliging(TTL));
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    let lost = guard.lost();
    let lease = guard.detach();
    assert_eq!(lost.await, LossReason::Detached);
    let copy = lease.clone();

    let adopted = client.adopt(lease).await.unwrap();
    assert_eq!(adopted.state(), GuardState::Held);
    assert!(client.adopt(copy).await.unwrap_err().is_second_guard());
    assert_eq!(server.seen_of("release").len(), 0);
    adopted.release().await.unwrap();
}

#[tokio::test]
async fn a_lease_that_has_ended_is_not_adopted() {
    let mut oblige = obliging(TTL);
    let server = Server::start(move |request| match request.operation() {
        "renew" => Reply::Json(410, problem(410, "lease-ended", Some("expired"))),
        _ => oblige(request),
    });
    let client = server.client().await;
    let lease = client.lock("orders/42").await.unwrap().detach();
    assert_eq!(client.adopt(lease).await.unwrap_err().loss_reason(), Some(LossReason::Expired));
}

#[tokio::test]
async fn work_under_a_lock_gives_its_result_and_releases() {
    let server = Server::start(obliging(TTL));
    let client = server.client().await;
    // Spawned: the future is one that may move between threads.
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
async fn work_under_a_lock_stops_when_the_lock_is_lost() {
    let mut oblige = obliging(300);
    let server = Server::start(move |request| match request.path.as_str() {
        "/v1/renew" => {
            let problem = problem(410, "lease-ended", Some("force_released"));
            Reply::Json(200, json!({"results": [{"problem": problem}]}))
        }
        _ => oblige(request),
    });
    let client = server.client().await;
    let outcome = client.with_lock("orders/42", async |_| std::future::pending::<()>().await).await;
    assert_eq!(outcome.unwrap_err().loss_reason(), Some(LossReason::ForceReleased));
}

#[tokio::test]
async fn the_end_of_a_guard_is_told_to_those_who_watch_it() {
    let server = Server::start(obliging(TTL));
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    let (lost, token) = (guard.lost(), guard.lost_token());
    guard.lost_token().cancel();
    assert_eq!(guard.state(), GuardState::Held, "cancelling the token does nothing to the guard");
    assert!(!token.is_cancelled());
    drop(guard);
    assert_eq!(lost.await, LossReason::Released);
    assert!(token.is_cancelled());
}

#[tokio::test]
async fn nothing_tells_the_lease_id() {
    let server = Server::start(obliging(TTL));
    let client = server.client().await;
    let guard = client.lock("orders/42").await.unwrap();
    let told = format!("{client:?} {guard:?} {:?}", client.lock("a"));
    let lease = guard.detach();
    assert!(!format!("{told} {lease:?}").contains("lease-"), "{told} {lease:?}");
}
