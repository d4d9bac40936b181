//! Replies that arrive after the deadline of the guard that they are for.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use dlm_client::{Client, GuardState, LossReason, TransportKind};

use super::server::{
    ReceivedRequest, ScriptedFrames, ScriptedReply, ScriptedServer, SessionMode, accept_all, granted,
    problem, released,
};
use super::socket::accept_frame;
use super::time::drive;
use crate::clock::ManualClock;

const TTL: Duration = Duration::from_secs(30);
const TTL_MS: u64 = 30_000;
const MS: Duration = Duration::from_millis(1);

/// Short enough for a request to take longer and still be answered in its time.
const SHORT_TTL: Duration = Duration::from_secs(2);
const SHORT_TTL_MS: u64 = 2_000;

/// A server with one lock. The first `late` requests for `slow` take the short TTL.
fn slow_server(clock: &Arc<ManualClock>, slow: &'static str, mut late: u32) -> ScriptedServer {
    let (clock, mut held) = (Arc::clone(clock), false);
    let mut accept = accept_all(SHORT_TTL_MS);
    ScriptedServer::start(move |request| {
        if request.operation() == slow && late > 0 {
            late -= 1;
            clock.advance(SHORT_TTL);
        }
        match request.operation() {
            "acquire" if held => ScriptedReply::Json(423, problem(423, "lock-held", None)),
            "acquire" => {
                held = true;
                granted(SHORT_TTL_MS)
            }
            "release" => {
                held = false;
                released()
            }
            _ => accept(request),
        }
    })
}

#[tokio::test]
async fn b68_grant_that_arrives_after_the_deadline_is_released_and_the_lock_acquired_again() {
    let clock = ManualClock::new();
    let server = slow_server(&clock, "acquire", 2);
    let client = server.client_with(&clock).await;
    let locking = client.try_lock("orders/42").ttl(SHORT_TTL).into_future();
    let guard = drive(&clock, MS, locking).await.unwrap().expect("the lock is not held by its own ghost");
    assert_eq!(guard.state(), GuardState::Held);
    assert_eq!(server.seen_of("release").len(), 2);
    let requests = server.seen_of("acquire");
    assert!(requests.len() == 3 && requests[0].key != requests[1].key);
}

#[tokio::test]
async fn b68_late_grant_of_a_caller_chosen_key_is_released_and_reported_as_lost() {
    let clock = ManualClock::new();
    let server = slow_server(&clock, "acquire", 1);
    let client = server.client_with(&clock).await;
    let locking = client.lock("orders/42").ttl(SHORT_TTL).idempotency_key("late-grant").into_future();
    let error = drive(&clock, MS, locking).await.unwrap_err();
    assert_eq!(error.loss_reason(), Some(LossReason::Deadline), "{error}");
    assert_eq!(server.seen_of("release").len(), 1);
}

#[tokio::test]
async fn late_renewal_of_an_adopted_lease_is_repeated() {
    let clock = ManualClock::new();
    let server = slow_server(&clock, "renew", 2);
    let client = server.client_with(&clock).await;
    let lease = client.lock("orders/42").ttl(SHORT_TTL).await.unwrap().detach();
    let guard = client.adopt(&lease).await.unwrap();
    assert_eq!(guard.state(), GuardState::Held);
    assert_eq!((server.seen_of("renew").len(), server.seen_of("release").len()), (3, 0));
}

#[tokio::test]
async fn adopt_never_returns_a_lost_guard() {
    let clock = ManualClock::new();
    let server = slow_server(&clock, "renew", u32::MAX);
    let client = server.client_with(&clock).await;
    let lease = client.lock("orders/42").ttl(SHORT_TTL).await.unwrap().detach();
    let error = client.adopt(&lease).await.unwrap_err();
    assert_eq!(error.loss_reason(), Some(LossReason::Deadline), "{error}");
    assert_eq!(server.seen_of("release").len(), 1, "nobody uses the lease");
}

/// A server that replies to renewals after a while.
fn held_back_renewals() -> ScriptedServer {
    let mut accept = accept_all(TTL_MS);
    ScriptedServer::start(move |request: &ReceivedRequest| match request.operation() {
        "renew" => ScriptedReply::After(300 * MS, Box::new(accept(request))),
        _ => accept(request),
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Guard {
    Kept,
    Dropped,
}

/// A renewal is on its way when the guard's deadline passes. It starts a new term at
/// the server that nobody uses.
#[tokio::test]
async fn late_renewal_that_revives_the_lease_of_a_lost_guard_releases_it() {
    for fate in [Guard::Kept, Guard::Dropped] {
        let server = held_back_renewals();
        let clock = ManualClock::new();
        let client = server.client_with(&clock).await;
        let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
        clock.advance(TTL / 3);
        server.wait_for("renew", 1).await;
        clock.advance(TTL);
        assert_eq!(guard.state(), GuardState::Lost(LossReason::Deadline));
        let guard = (fate == Guard::Kept).then_some(guard);
        server.wait_for("release", 1).await;
        drop(guard);
        client.close(Duration::from_secs(5)).await.unwrap();
        assert_eq!(server.seen_of("release").len(), 1, "{fate:?}");
    }
}

#[tokio::test]
async fn b69_late_renewal_does_not_release_a_lease_that_was_detached() {
    let server = held_back_renewals();
    let clock = ManualClock::new();
    let client = server.client_with(&clock).await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    // Renewed by the same request, so its release shows that the reply was handled.
    let kept = client.lock("orders/42").ttl(TTL).await.unwrap();
    futures_util::future::try_join(guard.renew(TTL), kept.renew(TTL)).await.unwrap();
    let before = server.seen_of("renew").len();
    clock.advance(TTL / 3);
    let renewals = server.wait_for("renew", before + 1).await;
    assert_eq!(renewals[before].body["leases"].as_array().unwrap().len(), 2);
    clock.suspend(TTL);
    let detached = guard.detach();
    let released = server.wait_for("release", 1).await;
    drop(kept);
    client.close(Duration::from_secs(5)).await.unwrap();
    assert_eq!(server.seen_of("release").len(), 1);
    let detached = serde_json::to_value(&detached).unwrap();
    assert_ne!(released[0].body["lease_id"], detached["lease_id"]);
}

#[tokio::test]
async fn b69_detached_lease_is_not_released_if_the_outcome_of_a_renewal_is_unknown() {
    let mut accept = accept_all(TTL_MS);
    let server = ScriptedServer::start(move |request| match request.operation() {
        "renew" => ScriptedReply::Cut,
        _ => accept(request),
    });
    let clock = ManualClock::new();
    let client = server.client_with(&clock).await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    clock.advance(TTL / 3);
    // The second renewal shows that the failure of the first has been handled.
    drive(&clock, 10 * MS, server.wait_for("renew", 2)).await;
    clock.suspend(TTL - TTL / 3 - Duration::from_secs(2));
    assert_eq!(guard.state(), GuardState::Held);
    clock.suspend(Duration::from_secs(2));
    assert_eq!(guard.state(), GuardState::Lost(LossReason::Deadline));
    let lease = guard.detach();
    client.close(Duration::from_secs(5)).await.unwrap();
    assert_eq!(server.seen_of("release").len(), 0);
    drop(lease);
}

/// The term begins when the request is sent, not when it starts to wait for a session.
#[tokio::test]
async fn wait_for_a_session_is_not_taken_from_the_term() {
    let mut closed = false;
    let session = move |request: &ReceivedRequest| match request.operation() {
        "status" if !closed => {
            closed = true;
            ScriptedFrames::Close
        }
        _ => accept_frame(request, TTL_MS),
    };
    let server = ScriptedServer::with(SessionMode::Open(200 * MS, Box::new(session)), accept_all(TTL_MS));
    let clock = ManualClock::new();
    let builder = Client::builder().address(&server.url).transport(TransportKind::Session);
    let client = builder.clock(clock.clock()).connect().await.unwrap();
    let status = tokio::spawn({
        let client = client.clone();
        async move { client.status("orders/42").await }
    });
    server.wait_for("status", 1).await;
    let locking = tokio::spawn(client.lock("orders/42").ttl(TTL).into_future());
    // The session is down now, and the clock moves until it is up again.
    tokio::time::sleep(50 * MS).await;
    clock.advance(TTL);
    let guard = drive(&clock, 10 * MS, locking).await.unwrap().unwrap();
    assert_eq!(server.seen_of("acquire").len(), 1, "the first grant is good");
    assert!(guard.remaining() > TTL - Duration::from_secs(1), "{:?}", guard.remaining());
    status.abort();
}
