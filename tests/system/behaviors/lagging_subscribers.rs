//! Subscribers that fall behind: an expired cursor, or a reader that is too slow.

use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{Acquire, WebSocket, eventually, spawn};

fn after(cursor: &Value) -> String {
    format!("?after={}", cursor.as_str().expect("a cursor"))
}

#[tokio::test]
async fn b48_expired_and_invalid_cursors_are_refused() {
    let server = TestServer::start_with(&["--event-limit", "10"]);
    let api = server.api();
    let old = api.get("/v1/events").await.ok()["cursor"].clone();
    for _ in 0..20 {
        let lease = api.lock("a", &Acquire::exclusive()).await;
        api.release("a", &lease).await.ok();
    }
    let expired = || async { api.get(&format!("/v1/events{}", after(&old))).await.status == 410 };
    eventually("the log is trimmed", expired).await;
    api.get(&format!("/v1/events{}", after(&old))).await.problem(410, "cursor-expired");
    assert_eq!(WebSocket::events(server.url(), &after(&old)).await.close_code().await, 4410);
    for invalid in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(
            WebSocket::events(server.url(), &format!("?after={invalid}")).await.close_code().await,
            4400
        );
        api.get(&format!("/v1/events?after={invalid}")).await.problem(400, "invalid-cursor");
    }
    // U+0000 is refused in any text.
    api.get("/v1/events?after=%00").await.problem(400, "invalid-request");
    // The rest of the log can be read, and the cursor at its end is valid.
    // A trim in between may have taken only what was over the limit by then.
    eventually("the log is as short as its limit", || async {
        let page = api.get("/v1/events?limit=1000").await.ok();
        (1..=12).contains(&page["events"].as_array().unwrap().len())
    })
    .await;
    let page = api.get("/v1/events?limit=1000").await.ok();
    let mut stream = WebSocket::events(server.url(), &after(&page["cursor"])).await;
    assert_eq!(stream.next_event().await["type"], "synced");
}

#[tokio::test]
async fn b48_cursor_older_than_the_retention_is_refused() {
    let server = TestServer::start_with(&["--event-retention", "1s"]);
    let api = server.api();
    let old = api.get("/v1/events").await.ok()["cursor"].clone();
    let lease = api.lock("a", &Acquire::exclusive()).await;
    api.release("a", &lease).await.ok();
    assert_eq!(api.event_kinds("a").await, ["granted", "released"]);
    eventually("the events are trimmed", || async {
        api.get(&format!("/v1/events{}", after(&old))).await.status == 410
    })
    .await;
    assert_eq!(WebSocket::events(server.url(), &after(&old)).await.close_code().await, 4410);
    // Later events are kept.
    let cursor = api.get("/v1/events").await.ok()["cursor"].clone();
    api.lock("a", &Acquire::exclusive()).await;
    let page = api.get(&format!("/v1/events{}", after(&cursor))).await.ok();
    assert_eq!((&page["events"][0]["kind"], &page["events"][0]["version"]), (&json!("granted"), &json!(3)));
}

#[tokio::test]
async fn b47_slow_subscriber_is_evicted_and_resumes_without_a_gap() {
    let server = TestServer::start();
    let api = server.api();
    let start = api.get("/v1/events").await.ok()["cursor"].clone();
    let mut slow = WebSocket::slow_reader(server.url(), &after(&start)).await;
    let mut other = WebSocket::events(server.url(), &after(&start)).await;
    assert_eq!(slow.next_event().await["type"], "synced");
    assert_eq!(other.next_event().await["type"], "synced");
    // Large events, until the buffers of the slow subscriber are full.
    let owner = "o".repeat(256);
    let writers: Vec<_> = (0..64)
        .map(|writer| {
            let (api, owner) = (api.clone(), owner.clone());
            spawn(async move {
                let name = format!("{writer}/{}", "n".repeat(200));
                for _ in 0..150 {
                    let lease = api.lock(&name, &Acquire::exclusive().with("owner", owner.clone())).await;
                    api.release(&name, &lease).await.ok();
                }
            })
        })
        .collect();
    // The slow subscriber reads again once it is evicted.
    let resuming = {
        let api = api.clone();
        spawn(async move {
            let evicted = || async { api.get("/metrics").await.text.contains("dlm_event_subscribers_evicted_total 1") };
            eventually("the slow subscriber is evicted", evicted).await;
            let (mut seen, mut cursor) = (0, start);
            loop {
                match slow.try_next().await {
                    Ok(message) => {
                        cursor = message["cursor"].clone();
                        seen += usize::from(message["type"] == "event");
                    }
                    Err(code) => return (seen, cursor, code),
                }
            }
        })
    };
    for _ in 0..64 * 300 {
        assert_eq!(other.next_event().await["type"], "event", "the other subscriber is not affected");
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let (mut seen, cursor, code) = resuming.await.unwrap();
    assert_eq!(code, 4429);
    assert!(seen < 64 * 300, "the subscriber was evicted before the end");
    let mut resumed = WebSocket::events(server.url(), &after(&cursor)).await;
    while resumed.next_event().await["type"] == "event" {
        seen += 1;
    }
    assert_eq!(seen, 64 * 300, "no gap and no duplicate");
}
