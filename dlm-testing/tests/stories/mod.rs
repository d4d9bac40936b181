//! What a test can make happen with the test server, whatever its transport.
#![expect(clippy::disallowed_methods, reason = "the tests measure and spawn as a user's tests would")]

use std::future::IntoFuture;
use std::time::Duration;

use dlm_client::{Client, EventItem, EventKind, LossReason, ProblemCode, TransportKind};
use dlm_testing::{AcquireFault, TestServer};

use crate::start;

const LONG: Duration = Duration::from_secs(3600);

/// Clients over each transport.
async fn clients(server: &TestServer) -> [Client; 2] {
    let http = server.client_builder().transport(TransportKind::Http).connect().await;
    [server.client().await, http.expect("the server is ready")]
}

#[tokio::test]
async fn lock_is_lost_within_milliseconds() {
    let server = start();
    let client = server.client().await;
    let guard = client.lock("a").ttl(LONG).await.unwrap();
    let begun = std::time::Instant::now();
    server.lose("a");
    assert_eq!(guard.lost().await, LossReason::ForceReleased);
    // A term takes an hour. Usually it is less than ten milliseconds.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let next = client.lock("a").await.unwrap();
    assert!(next.fencing_token() > guard.fencing_token());
}

#[test]
#[should_panic(expected = "nobody holds `a`")]
fn lock_that_nobody_holds_can_not_be_lost() {
    start().lose("a");
}

#[tokio::test]
async fn next_acquire_times_out_and_the_one_after_it_does_not() {
    let server = start();
    for client in clients(&server).await {
        server.next_acquire("a/b", AcquireFault::TimesOut);
        let error = client.lock("a/b").wait(LONG).await.unwrap_err();
        assert_eq!((error.is_timeout(), error.code()), (true, Some(ProblemCode::WaitTimeout)), "{error}");
        server.next_acquire("a/b", AcquireFault::TimesOut);
        assert!(client.try_lock("a/b").await.unwrap().is_none());
        client.lock("a/b").await.unwrap().release().await.unwrap();
    }
}

#[tokio::test]
async fn next_acquire_fails_and_other_names_are_not_affected() {
    let server = start();
    for client in clients(&server).await {
        server.next_acquire("a", AcquireFault::Fails);
        drop(client.lock("b").await.unwrap());
        let error = client.lock("a").await.unwrap_err();
        assert_eq!(error.code(), Some(ProblemCode::InternalError), "{error}");
        client.lock("a").await.unwrap().release().await.unwrap();
    }
}

#[tokio::test]
async fn next_acquire_hangs_until_the_caller_gives_up() {
    let server = start();
    for client in clients(&server).await {
        server.next_acquire("a", AcquireFault::Hangs);
        let hanging = tokio::time::timeout(Duration::from_secs(1), client.lock("a").into_future());
        assert!(hanging.await.is_err());
        assert_eq!(server.status("a").holder_count, 0);
        client.lock("a").await.unwrap().release().await.unwrap();
    }
}

#[tokio::test]
async fn server_is_away_and_comes_back() {
    let server = start();
    let client = server.client().await;
    let short = client.lock("short").await.unwrap();
    let long = client.lock("long").ttl(LONG).await.unwrap();
    let away = server.away();
    server.advance(LONG / 2);
    assert_eq!(short.lost().await, LossReason::Deadline);
    let http =
        Client::builder().addresses([server.url()]).transport(TransportKind::Http).connect_lazy().unwrap();
    assert!(http.try_lock("a").await.unwrap_err().is_connect());
    drop(away);
    drop(client.lock("a").await.unwrap());
    assert!(long.is_held(), "its term is longer than the server was away");
}

#[tokio::test]
async fn lease_that_is_not_renewed_expires_when_its_time_has_passed() {
    let server = start();
    for client in clients(&server).await {
        let stale = client.lock("a").ttl(LONG).auto_renew(false).await.unwrap();
        let waiting = tokio::spawn(client.lock("a").into_future());
        server.wait_for_waiters("a", 1).await;
        server.advance(LONG / 2);
        assert!(stale.is_held());
        server.advance(LONG / 2);
        assert!(!stale.is_held());
        assert_eq!(stale.lost().await, LossReason::Deadline);
        let guard = waiting.await.unwrap().unwrap();
        assert!(guard.fencing_token() > stale.fencing_token());
        guard.release().await.unwrap();
    }
}

#[tokio::test]
async fn lease_is_renewed_when_less_than_its_term_has_passed() {
    let server = start();
    let client = server.client().await;
    let guard = client.lock("a").ttl(LONG).await.unwrap();
    let expires_at = || server.status("a").holders[0].expires_at;
    for _ in 0..4 {
        let before = expires_at();
        server.advance(LONG / 2);
        while expires_at() == before {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    assert!(guard.is_held());
    assert_eq!(server.status("a").holders[0].fencing_token, guard.fencing_token());
}

#[tokio::test]
async fn wait_times_out_when_its_time_has_passed() {
    let server = start();
    for client in clients(&server).await {
        let _other = server.hold("a");
        let waiting = tokio::spawn(client.lock("a").wait(LONG).into_future());
        server.wait_for_waiters("a", 1).await;
        server.advance(LONG);
        assert!(waiting.await.unwrap().unwrap_err().is_timeout());
        assert_eq!(server.status("a").queue_len, 0);
    }
}

#[tokio::test]
async fn others_hold_and_wait() {
    let server = start();
    let client = server.client().await;
    let other = server.hold("a");
    let waiting = tokio::spawn(client.lock("a").into_future());
    server.wait_for_waiters("a", 1).await;
    assert_eq!(server.status("a").holders[0].owner.as_str(), "the test");
    drop(other);
    let guard = waiting.await.unwrap().unwrap();
    server.wait_until_held("a").await;
    drop(guard);
}

#[tokio::test]
async fn events_pass_the_front() {
    let server = start();
    let client = server.client().await;
    let mut events = client.events();
    assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
    drop(client.lock("a").await.unwrap());
    let EventItem::Event(event) = events.next().await.unwrap().unwrap() else { panic!("an event") };
    assert_eq!((event.kind, event.resource.as_str()), (EventKind::Granted, "a"));
}

#[test]
fn program_without_async_is_tested_without_async() {
    let server = start();
    let client = server.client_blocking();
    let guard = client.lock_blocking("a").unwrap();
    server.lose("a");
    assert!(guard.release_blocking().unwrap_err().is_lost());
}
