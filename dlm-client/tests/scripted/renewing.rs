use std::future::IntoFuture;
use std::time::{Duration, Instant};

use dlm_client::{GuardState, LossReason};
use serde_json::json;

use crate::server::{Reply, Server, lease, obliging, problem, renewed};

const TTL: Duration = Duration::from_millis(600);
const TTL_MS: u64 = 600;

/// Obliges, but answers renewals as `renewal` says.
fn renewals(mut renewal: impl FnMut(&crate::server::Request) -> Reply + Send + 'static) -> Server {
    let mut oblige = obliging(TTL_MS);
    Server::start(move |request| match request.path.as_str() {
        "/v1/renew" => renewal(request),
        _ => oblige(request),
    })
}

#[tokio::test]
async fn a_renewal_that_fails_in_passing_is_repeated_and_the_guard_lives() {
    let mut attempts = 0;
    let server = renewals(move |request| {
        attempts += 1;
        match attempts % 4 {
            1 => Reply::Cut,
            2 => Reply::Json(503, problem(503, "unavailable", None)),
            3 => Reply::Other { status: 200, media_type: "text/html", retry_after: None, body: "?".into() },
            _ => renewed(request, TTL_MS),
        }
    });
    let client = server.client().await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    server.wait_for("renew", 12).await;
    assert_eq!(guard.state(), GuardState::Held);
}

#[tokio::test]
async fn a_guard_whose_server_falls_silent_is_lost_before_its_lease_ends() {
    let server = renewals(|_| Reply::Silence);
    let client = server.client().await;
    let asked_at = Instant::now();
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    let granted_by = Instant::now();

    assert_eq!(guard.lost().await, LossReason::Deadline);
    let lost_at = Instant::now();
    // The margin is 5 ms + 0.2 % of the TTL; the timer may be some late.
    assert!(lost_at.duration_since(asked_at) >= Duration::from_millis(500));
    assert!(lost_at.duration_since(granted_by) < TTL + Duration::from_millis(50));
    assert!(server.seen_of("renew").len() >= 3, "one silence does not use up the TTL");

    assert_eq!(guard.state(), GuardState::Lost(LossReason::Deadline));
    assert_eq!(guard.remaining(), Duration::ZERO);
    assert!(guard.live_token().unwrap_err().is_lost());
    assert!(guard.lost_token().is_cancelled());
    assert!(guard.renew(TTL).await.unwrap_err().is_lost());
    assert_eq!(guard.release().await.unwrap_err().loss_reason(), Some(LossReason::Deadline));
    // A renewal may have reached the server after all.
    server.wait_for("release", 1).await;
}

#[tokio::test]
async fn one_lost_lease_among_many_does_not_disturb_the_others() {
    let (tell, doomed) = std::sync::mpsc::channel::<()>();
    let mut victim = None;
    let server = renewals(move |request| {
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
        Reply::Json(200, json!({"results": results.collect::<Vec<_>>()}))
    });
    let client = server.client().await;
    let mut guards = Vec::new();
    for _ in 0..20 {
        guards.push(client.lock("orders/42").ttl(TTL).await.unwrap());
    }
    tell.send(()).unwrap();
    let (reason, which, _) =
        futures_util::future::select_all(guards.iter().map(|g| Box::pin(g.lost()))).await;
    assert_eq!(reason, LossReason::ForceReleased);
    let lost = guards.remove(which);
    assert_eq!(lost.lost().await, LossReason::ForceReleased, "also for one who asks later");

    let so_far = server.seen_of("renew").len();
    server.wait_for("renew", so_far + 8).await;
    assert!(guards.iter().all(|guard| guard.state() == GuardState::Held));
}

#[tokio::test]
async fn many_leases_are_renewed_in_few_requests() {
    let server = renewals(|request| renewed(request, TTL_MS));
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
async fn an_application_that_starves_its_own_runtime_keeps_its_locks() {
    let server = Server::start(obliging(TTL_MS));
    let client = server.client().await;
    let guard = client.lock("orders/42").ttl(TTL).await.unwrap();
    std::thread::sleep(3 * TTL);
    assert_eq!(guard.state(), GuardState::Held);
}

#[tokio::test]
async fn a_guard_that_is_renewed_by_hand_is_lost_when_nobody_does() {
    let server = Server::start(obliging(TTL_MS));
    let client = server.client().await;
    let guard = client.lock("orders/42").ttl(TTL).auto_renew(false).await.unwrap();
    guard.renew(TTL).await.unwrap();
    assert_eq!(guard.lost().await, LossReason::Deadline);
    drop(guard);
    client.close(Duration::from_secs(5)).await.unwrap();
    let renewals = server.seen_of("renew");
    assert_eq!(renewals.len(), 1);
    assert_eq!(renewals[0].body["leases"][0]["ttl_ms"], TTL_MS);
    assert_eq!(server.seen_of("release").len(), 0, "the lease ends by itself");
}

#[tokio::test]
async fn a_new_lock_after_a_loss_has_a_renewal_of_its_own() {
    let mut first = None;
    let server = renewals(move |request| {
        let id = request.body["leases"][0]["lease_id"].clone();
        if *first.get_or_insert_with(|| id.clone()) == id {
            let problem = problem(410, "lease-ended", Some("expired"));
            return Reply::Json(200, json!({"results": [{"problem": problem}]}));
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
