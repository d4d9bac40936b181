//! Time as the client's clock tells it: suspends, long waits, exact deadlines.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use dlm_client::{GuardState, LossReason};
use futures_util::poll;
use serde_json::json;

use super::server::{ScriptedReply, ScriptedServer, accept_all, granted, problem};
use crate::clock::ManualClock;

const TTL: Duration = Duration::from_secs(30);
const TTL_MS: u64 = 30_000;
/// TTL minus 5 ms and 0.2 %.
const LIFETIME: Duration = Duration::from_millis(30_000 - 65);
const MS: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(86_400);

/// Lets time pass, at one step per turn of the test's runtime, until `future` completes.
pub(crate) async fn drive<F: Future>(clock: &Arc<ManualClock>, step: Duration, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        match tokio::time::timeout(2 * MS, future.as_mut()).await {
            Ok(output) => return output,
            Err(_) => clock.advance(step),
        }
    }
}

fn queued() -> ScriptedReply {
    let body = json!({"position": 1, "queue_len": 1, "holders": [], "idempotency_key": "k"});
    ScriptedReply::Json(202, body)
}

#[tokio::test]
async fn b72_lost_completes_at_the_first_poll_after_a_suspend() {
    let server = ScriptedServer::start(accept_all(TTL_MS));
    let clock = ManualClock::new();
    let client = server.client_with(&clock).await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    let mut lost = Box::pin(guard.lost());
    assert!(poll!(lost.as_mut()).is_pending());

    // Nothing runs that could notice it.
    clock.suspend(LIFETIME);
    assert_eq!(poll!(lost.as_mut()), std::task::Poll::Ready(LossReason::Deadline));
    assert_eq!(guard.state(), GuardState::Lost(LossReason::Deadline));
    assert!(guard.lost_token().is_cancelled());
    assert!(guard.renew(TTL).await.unwrap_err().is_lost());
    assert!(guard.live_token().unwrap_err().is_lost());
}

#[tokio::test]
async fn b72_work_under_a_lock_stops_at_the_first_poll_after_a_suspend() {
    let server = ScriptedServer::start(accept_all(TTL_MS));
    let clock = ManualClock::new();
    let client = server.client_with(&clock).await;
    let mut rounds = 0;
    let worked = client
        .with_lock("orders/42", async |_| {
            while rounds < 10 {
                rounds += 1;
                clock.suspend(LIFETIME / 2);
                tokio::task::yield_now().await;
            }
        })
        .await;
    assert_eq!(worked.unwrap_err().loss_reason(), Some(LossReason::Deadline));
    assert_eq!(rounds, 2);
}

#[tokio::test]
async fn guard_is_lost_exactly_at_its_deadline_before_the_lease_expires() {
    let server = ScriptedServer::start(accept_all(TTL_MS));
    let clock = ManualClock::new();
    let client = server.client_with(&clock).await;
    let guard = client.lock("orders/42").ttl(TTL).auto_renew(false).await.unwrap();
    let lost = tokio::spawn(guard.lost());
    assert_eq!(guard.remaining(), LIFETIME);
    clock.advance(LIFETIME - MS);
    assert_eq!((guard.state(), guard.remaining()), (GuardState::Held, MS));
    assert!(!lost.is_finished());
    clock.advance(MS);
    assert_eq!(lost.await.unwrap(), LossReason::Deadline);
    assert_eq!(guard.remaining(), Duration::ZERO);
}

#[tokio::test]
async fn unanswered_renewals_do_not_delay_the_loss() {
    let mut accept = accept_all(TTL_MS);
    let server = ScriptedServer::start(move |request| match request.operation() {
        "renew" => ScriptedReply::Silence,
        _ => accept(request),
    });
    let clock = ManualClock::new();
    let client = server.client_with(&clock).await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    clock.advance(TTL / 3);
    server.wait_for("renew", 1).await;
    clock.advance(LIFETIME - TTL / 3 - MS);
    assert_eq!(guard.state(), GuardState::Held);
    clock.advance(MS);
    assert_eq!(guard.lost().await, LossReason::Deadline);
}

#[tokio::test]
async fn lease_is_renewed_before_the_guard_is_handed_out_after_a_wait_of_a_minute() {
    for (wait, renewals) in [(50, 0), (61, 1)] {
        let clock = ManualClock::new();
        let (mut accept, mut acquires) = (accept_all(TTL_MS), 0);
        let passing = Arc::clone(&clock);
        let server = ScriptedServer::start(move |request| match request.operation() {
            "acquire" => {
                acquires += 1;
                if acquires > 1 {
                    return granted(TTL_MS);
                }
                passing.advance(Duration::from_secs(wait));
                queued()
            }
            _ => accept(request),
        });
        let client = server.client_with(&clock).await;
        let guard = drive(&clock, MS, client.lock("orders/42").ttl(TTL).into_future()).await.unwrap();
        assert_eq!(server.seen_of("renew").len(), renewals, "after {wait} s");
        assert_eq!(guard.state(), GuardState::Held);
    }
}

#[tokio::test]
async fn wait_of_a_day_ends_after_a_day() {
    let server = ScriptedServer::start(move |request| match request.operation() {
        "acquire" => queued(),
        _ => super::server::cancelled(),
    });
    let clock = ManualClock::new();
    let started = clock.now();
    let client = server.client_with(&clock).await;
    let waiting = client.lock("orders/42").wait(DAY).into_future();
    let error = drive(&clock, Duration::from_secs(1_000), waiting).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(clock.now().duration_since(started) >= DAY);
    let requests = server.seen_of("acquire");
    assert!(requests.len() > 10, "{}", requests.len());
    assert!(requests.iter().all(|request| request.key == requests[0].key));
    server.wait_for("cancel", 1).await;
}

#[tokio::test]
async fn unlimited_wait_rejoins_the_queue_after_the_longest_wait_of_the_server() {
    let clock = ManualClock::new();
    let (passing, mut acquires) = (Arc::clone(&clock), 0);
    let server = ScriptedServer::start(move |request| match request.operation() {
        "acquire" => {
            acquires += 1;
            if acquires > 1 {
                return granted(TTL_MS);
            }
            passing.advance(DAY);
            ScriptedReply::Json(423, problem(423, "wait-timeout", None))
        }
        _ => super::server::renewed(request, TTL_MS),
    });
    let client = server.client_with(&clock).await;
    let guard = drive(&clock, MS, client.lock("orders/42").ttl(TTL).into_future()).await.unwrap();
    let requests = server.seen_of("acquire");
    assert_ne!(requests[0].key, requests[1].key);
    assert_eq!(requests[1].body["wait_ms"], 86_400_000);
    assert_eq!(guard.state(), GuardState::Held);
}
