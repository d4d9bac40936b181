//! Renewals and the loss of guards.

use std::future::IntoFuture;
use std::time::{Duration, Instant};

use dlm_client::{GuardState, LossReason};
use serde_json::json;

use super::server::{ScriptedReply, ScriptedServer, accept_all, lease, problem, renewed};

/// Long enough for renewals to succeed on a busy machine.
const TTL: Duration = Duration::from_millis(3_000);
const TTL_MS: u64 = 3_000;

/// Replies to renewals with `renewal`, and accepts all other requests.
fn renewal_replies(
    mut renewal: impl FnMut(&super::server::ReceivedRequest) -> ScriptedReply + Send + 'static,
) -> ScriptedServer {
    let mut accept = accept_all(TTL_MS);
    ScriptedServer::start(move |request| match request.path.as_str() {
        "/v1/renew" => renewal(request),
        _ => accept(request),
    })
}

#[tokio::test]
async fn renewal_is_retried_after_transient_errors_and_the_guard_survives() {
    let mut attempts = 0;
    let server = renewal_replies(move |request| {
        attempts += 1;
        match attempts % 4 {
            1 => ScriptedReply::Cut,
            2 => ScriptedReply::Json(503, problem(503, "unavailable", None)),
            3 => ScriptedReply::Other {
                status: 200,
                media_type: "text/html",
                retry_after: None,
                body: "?".into(),
            },
            _ => renewed(request, TTL_MS),
        }
    });
    let client = server.client().await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    server.wait_for("renew", 12).await;
    assert_eq!(guard.state(), GuardState::Held);
}

#[tokio::test]
async fn guard_is_lost_before_its_lease_expires_if_the_server_falls_silent() {
    let server = renewal_replies(|_| ScriptedReply::Silence);
    let client = server.client().await;
    let requested_at = Instant::now();
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    let granted_by = Instant::now();

    assert_eq!(guard.lost().await, LossReason::Deadline);
    let lost_at = Instant::now();
    // The margin is 5 ms + 0.2 % of the TTL; a busy machine may fire the timer late.
    assert!(lost_at.duration_since(requested_at) >= TTL - Duration::from_millis(100));
    assert!(lost_at.duration_since(granted_by) < TTL + Duration::from_secs(1));
    assert!(server.seen_of("renew").len() >= 3, "one lost reply does not use up the TTL");

    assert_eq!(guard.state(), GuardState::Lost(LossReason::Deadline));
    assert_eq!(guard.remaining(), Duration::ZERO);
    assert!(guard.live_token().unwrap_err().is_lost());
    assert!(guard.lost_token().is_cancelled());
    assert!(guard.renew(TTL).await.unwrap_err().is_lost());
    assert_eq!(guard.release().await.unwrap_err().loss_reason(), Some(LossReason::Deadline));
    // The outcome of the renewals is unknown, so the lease is released.
    server.wait_for("release", 1).await;
}

#[tokio::test]
async fn one_lost_lease_does_not_affect_the_others() {
    let (doom, doomed) = std::sync::mpsc::channel::<()>();
    let mut victim = None;
    let server = renewal_replies(move |request| {
        let items = request.body["leases"].as_array().unwrap();
        if victim.is_none() && doomed.try_recv().is_ok() {
            victim = Some(items[0]["lease_id"].clone());
        }
        let results = items.iter().map(|item| {
            if victim.as_ref() == Some(&item["lease_id"]) {
                json!({"problem": problem(410, "lease-ended", Some("force_released"))})
            } else {
                json!({"lease": lease(item["lease_id"].as_str().unwrap(), TTL_MS)})
            }
        });
        ScriptedReply::Json(200, json!({"results": results.collect::<Vec<_>>()}))
    });
    let client = server.client().await;
    let mut guards = Vec::new();
    for _ in 0..20 {
        guards.push(client.lock("orders/42").ttl(TTL).await.unwrap());
    }
    doom.send(()).unwrap();
    let (reason, which, _) =
        futures_util::future::select_all(guards.iter().map(|g| Box::pin(g.lost()))).await;
    assert_eq!(reason, LossReason::ForceReleased);
    let lost = guards.remove(which);
    assert_eq!(lost.lost().await, LossReason::ForceReleased, "a later call gets the reason too");

    let before = server.seen_of("renew").len();
    server.wait_for("renew", before + 8).await;
    assert!(guards.iter().all(|guard| guard.state() == GuardState::Held));
}

#[tokio::test]
async fn many_leases_are_renewed_in_few_requests() {
    let server = renewal_replies(|request| renewed(request, TTL_MS));
    let client = server.client().await;
    let taking = (0..200).map(|_| client.lock("orders/42").ttl(TTL).into_future());
    let guards = futures_util::future::try_join_all(taking).await.unwrap();
    server.wait_for("renew", 32).await;
    let renewed: usize =
        server.seen_of("renew").iter().map(|request| request.body["leases"].as_array().unwrap().len()).sum();
    assert!(renewed >= 32 * 4, "{renewed} leases in 32 requests");
    assert!(guards.iter().all(|guard| guard.state() == GuardState::Held));
}

#[tokio::test]
async fn blocked_runtime_does_not_lose_locks() {
    let server = ScriptedServer::start(accept_all(TTL_MS));
    let client = server.client().await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    std::thread::sleep(3 * TTL);
    assert_eq!(guard.state(), GuardState::Held);
}

#[tokio::test]
async fn manually_renewed_guard_is_lost_without_a_renewal() {
    let server = ScriptedServer::start(accept_all(TTL_MS));
    let client = server.client().await;
    let guard = client.lock("orders/42").ttl(TTL).auto_renew(false).await.unwrap();
    guard.renew(TTL).await.unwrap();
    assert_eq!(guard.lost().await, LossReason::Deadline);
    drop(guard);
    client.close(Duration::from_secs(5)).await.unwrap();
    let renewals = server.seen_of("renew");
    assert_eq!(renewals.len(), 1);
    assert_eq!(renewals[0].body["leases"][0]["ttl_ms"], TTL_MS);
    assert_eq!(server.seen_of("release").len(), 0, "the lease expires without a release");
}

#[tokio::test]
async fn new_lock_after_a_loss_is_renewed() {
    let mut first = None;
    let server = renewal_replies(move |request| {
        let id = request.body["leases"][0]["lease_id"].clone();
        if *first.get_or_insert_with(|| id.clone()) == id {
            let problem = problem(410, "lease-ended", Some("expired"));
            return ScriptedReply::Json(200, json!({"results": [{"problem": problem}]}));
        }
        renewed(request, TTL_MS)
    });
    let client = server.client().await;
    let lost = client.lock("orders/42").ttl(TTL).await.unwrap();
    assert_eq!(lost.lost().await, LossReason::Expired);
    let fresh = client.lock("orders/42").ttl(TTL).await.unwrap();
    server.wait_for("renew", 5).await;
    assert_eq!(fresh.state(), GuardState::Held);
    assert_eq!(lost.state(), GuardState::Lost(LossReason::Expired));
}
