//! Quotas hold for all servers together, within a second.

use std::sync::Arc;

use crate::harness::{
    Acquire, AuthFile, Backend, Postgres, ServerProcess, WebSocket, eventually, limited_principal,
};

#[tokio::test]
async fn leases_and_waiters_at_one_server_count_at_the_other_within_a_second() {
    let file = AuthFile::new(&limited_principal(
        "api",
        "token",
        "lock",
        "orders/",
        "max_leases = 3, max_waiters = 1",
    ));
    let database = Arc::new(Postgres::new());
    let path = file.path();
    let start = || ServerProcess::<Postgres>::on(&database, &["--auth-file", &path]);
    let servers = [start(), start()];
    let [first, second] = [0, 1].map(|server: usize| servers[server].api().with_token("token"));
    let held = first.lock("orders/1", &Acquire::exclusive().ttl(600_000)).await;
    first.lock("orders/2", &Acquire::shared().ttl(600_000)).await;
    let mut session =
        WebSocket::with_token(servers[0].url(), "/v1/session", "dlm.session.v1", "token").await.unwrap();
    let wait = serde_json::json!({"resource": "orders/1", "wait_ms": 600_000});
    session.send("acquire", wait).await;
    let acquired = async |acquire: Acquire| {
        let response = second.acquire("orders/3", &acquire).await;
        if response.status == 200 {
            second.release("orders/3", &response.json()).await.ok();
        }
        response.json()["quota"].as_str().map(str::to_owned)
    };
    eventually("the waiter counts at the other server", || async {
        acquired(Acquire::exclusive().wait(1)).await.as_deref() == Some("waiters")
    })
    .await;
    // It may have counted a lease that the other server has released since.
    eventually("a third lease is allowed", || async {
        first.acquire("orders/4", &Acquire::exclusive().ttl(600_000)).await.status == 200
    })
    .await;
    eventually("the leases count at the other server", || async {
        acquired(Acquire::exclusive()).await.as_deref() == Some("leases")
    })
    .await;
    // The waiter is granted at its own server, so there are as many leases as before.
    first.release("orders/1", &held).await.ok();
    eventually("the wait is over", || async { first.queue_len("orders/1").await == 0 }).await;
    assert_eq!(acquired(Acquire::exclusive()).await.as_deref(), Some("leases"));
}
