//! What peers that do not read cost in memory.

use serde_json::json;

use crate::harness::{Acquire, ServerProcess, Sqlite, WebSocket, eventually, exclusive_test_lock, new_key};

type TestServer = ServerProcess<Sqlite>;

/// Far more than an idle server needs, and far less than the tests would take
/// without bounds.
const MAX_MEMORY: u64 = 350 << 20;

#[tokio::test]
async fn session_that_is_not_read_costs_little_memory() {
    let _exclusive = exclusive_test_lock();
    let server = TestServer::start();
    let api = server.api();
    let acquire = Acquire::shared().ttl(600_000).with("metadata", json!({"text": "x".repeat(4000)}));
    for _ in 0..100 {
        api.lock("a", &acquire).await;
    }
    let mut session = WebSocket::session(server.url()).await;
    for index in 0..3000 {
        match index % 2 {
            0 => session.send_buffered("status", json!({"resource": "a"})).await,
            _ => {
                session.send_buffered("acquire", json!({"resource": "a", "idempotency_key": new_key()})).await
            }
        };
    }
    session.flush().await;
    // Reads of others are not delayed.
    for _ in 0..20 {
        api.get("/v1/locks/b").await.ok();
    }
    eventually("the session is closed", || async {
        let metrics = api.get("/metrics").await.text;
        metrics.contains("dlm_websocket_connections{protocol=\"session\"} 0\n")
    })
    .await;
    let peak = server.peak_memory();
    assert!(peak < MAX_MEMORY, "{} MiB", peak >> 20);
}

#[tokio::test]
async fn subscribers_that_resume_and_do_not_read_cost_little_memory() {
    const STUCK: usize = 100;
    let _exclusive = exclusive_test_lock();
    let server = TestServer::start();
    let api = server.api();
    let start = api.get("/v1/events").await.ok()["cursor"].as_str().unwrap().to_owned();
    let (name, owner) = ("n".repeat(250), "o".repeat(250));
    let held = api.lock(&name, &Acquire::exclusive().ttl(600_000)).await;
    let mut session = WebSocket::session(server.url()).await;
    for _ in 0..5000 {
        let wait = json!({
            "resource": name, "mode": "shared", "owner": owner, "idempotency_key": new_key(),
            "ttl_ms": 600_000, "wait_ms": 600_000,
        });
        session.send_buffered("acquire", wait).await;
    }
    session.flush().await;
    eventually("all are queued", || async { api.queue_len(&name).await == 5000 }).await;
    api.release(&name, &held).await.ok();
    eventually("all are granted", || async { api.status(&name).await["holder_count"] == 5000 }).await;
    drop(session);
    let before = server.peak_memory();
    let after = format!("?after={start}");
    let mut stuck = Vec::new();
    for _ in 0..STUCK {
        stuck.push(WebSocket::slow_reader(server.url(), &after).await);
    }
    // One that reads is served all the same.
    let mut stream = WebSocket::events(server.url(), &after).await;
    while stream.next_event().await["type"] != "synced" {}
    eventually("all others are evicted", || async {
        let evicted = format!("dlm_event_subscribers_evicted_total {STUCK}\n");
        api.get("/metrics").await.text.contains(&evicted)
    })
    .await;
    let peak = server.peak_memory();
    assert!(peak < before + MAX_MEMORY, "{} MiB, {} MiB before", peak >> 20, before >> 20);
    drop(stuck);
}
