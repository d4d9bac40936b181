//! Renewals.

use futures_util::future::join_all;
use serde_json::json;

use super::super::TestServer;
use crate::harness::{Acquire, eventually, spawn};

#[tokio::test]
async fn b20_expired_lease_cannot_be_renewed() {
    let server = TestServer::start();
    let api = server.api();
    let lease = api.lock("a", &Acquire::exclusive().ttl(200)).await;
    eventually("the lease expires", || async {
        api.check("a", &lease["fencing_token"]).await["live"] == false
    })
    .await;
    api.renew("a", &lease).await.ended(410, "expired");
    assert_eq!(api.status("a").await["state"], "free");
}

#[tokio::test]
async fn b21_released_lease_cannot_be_renewed() {
    let server = TestServer::start();
    let api = server.api();
    for _ in 0..30 {
        let lease = api.lock("a", &Acquire::exclusive()).await;
        let renewals: Vec<_> = (0..8)
            .map(|_| {
                let (api, lease) = (api.clone(), lease.clone());
                spawn(async move { api.renew("a", &lease).await })
            })
            .collect();
        api.release("a", &lease).await.ok();
        api.renew("a", &lease).await.ended(410, "released");
        for renewal in join_all(renewals).await {
            let renewal = renewal.unwrap();
            assert!(renewal.status == 200 || renewal.status == 410, "{renewal:?}");
        }
        assert_eq!(api.status("a").await["state"], "free");
    }
}

#[tokio::test]
async fn b28_one_lost_lease_of_many_does_not_affect_the_others() {
    let server = TestServer::start();
    let api = server.api();
    let mut leases = Vec::new();
    for name in ["a", "b", "c"] {
        leases.push(api.lock(name, &Acquire::exclusive()).await);
    }
    api.force_release("b", &leases[1]["fencing_token"]).await.ok();
    let items: Vec<_> = leases
        .iter()
        .map(|lease| json!({"resource": lease["resource"], "lease_id": lease["lease_id"]}))
        .collect();
    let results = api.post("/v1/renew", &json!({"leases": items})).await.ok();
    assert_eq!(results["results"][0]["lease"]["lease_id"], leases[0]["lease_id"]);
    assert_eq!(results["results"][1]["problem"]["reason"], "force_released");
    assert_eq!(results["results"][1]["problem"]["status"], 410);
    assert_eq!(results["results"][2]["lease"]["lease_id"], leases[2]["lease_id"]);
}

#[tokio::test]
async fn renewal_never_shortens_a_lease() {
    let server = TestServer::start();
    let api = server.api();
    let lease = api.lock("a", &Acquire::exclusive()).await;
    let body = json!({"lease_id": lease["lease_id"], "ttl_ms": 1000});
    let renewed = api.post("/v1/locks/a/renew", &body).await.ok();
    assert_eq!(
        (renewed["expires_at"].clone(), renewed["ttl_ms"].clone()),
        (lease["expires_at"].clone(), json!(1000))
    );
    assert_eq!(renewed["acquired_at"], lease["acquired_at"]);
}
