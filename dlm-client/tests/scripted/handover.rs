//! Leases without a guard: handed over, released, lost.

use std::time::Duration;

use dlm_client::{DetachedLease, LossReason};

use super::server::{ScriptedReply, ScriptedServer, accept_all, problem};

const TTL: u64 = 30_000;

#[tokio::test]
async fn detached_lease_says_when_it_expires_and_can_be_released_without_a_guard() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    let lease = client.lock("orders/42").await.unwrap().detach();
    assert_eq!(lease.expires_at().unwrap().to_string(), "2026-01-01T00:00:30.000Z");
    let handed_over: DetachedLease = serde_json::from_str(&serde_json::to_string(&lease).unwrap()).unwrap();
    assert_eq!(handed_over.expires_at(), lease.expires_at());

    client.release(&handed_over).await.unwrap();
    let releases = server.seen_of("release");
    assert_eq!(releases.len(), 1);
    assert_eq!(server.seen_of("renew").len(), 0);
    client.release(&lease).await.unwrap();
}

#[tokio::test]
async fn lease_with_a_guard_cannot_be_released_beside_it() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    let lease = client.lock("orders/42").await.unwrap().detach();
    let guard = client.adopt(&lease).await.unwrap();
    assert!(client.release(&lease).await.unwrap_err().is_second_guard());
    assert_eq!(server.seen_of("release").len(), 0);
    guard.release().await.unwrap();
}

#[tokio::test]
async fn release_of_an_ended_lease_says_how_it_ended() {
    let mut accept = accept_all(TTL);
    let server = ScriptedServer::start(move |request| match request.operation() {
        "release" => ScriptedReply::Json(410, problem(410, "lease-ended", Some("expired"))),
        _ => accept(request),
    });
    let client = server.client().await;
    let lease = client.lock("orders/42").await.unwrap().detach();
    let error = client.release(&lease).await.unwrap_err();
    assert_eq!(error.loss_reason(), Some(LossReason::Expired), "{error}");
    client.close(Duration::from_secs(5)).await.unwrap();
    assert!(client.release(&lease).await.unwrap_err().is_closed());
}
