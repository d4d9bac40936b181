//! Readers of the event stream that are late: with an old cursor, or too slow.

use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{Acquire, Socket, eventually, spawn};

fn after(cursor: &Value) -> String {
    format!("?after={}", cursor.as_str().expect("a cursor"))
}

#[tokio::test]
async fn b48_an_old_cursor_and_a_made_up_one_are_told() {
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
    assert_eq!(Socket::events(server.url(), &after(&old)).await.closed().await, 4410);
    for made_up in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(Socket::events(server.url(), &format!("?after={made_up}")).await.closed().await, 4400);
        api.get(&format!("/v1/events?after={made_up}")).await.problem(400, "invalid-cursor");
    }
    // No text has this in it.
    api.get("/v1/events?after=%00").await.problem(400, "invalid-request");
    // What is left can be read, and its end is a good cursor.
    let page = api.get("/v1/events?limit=1000").await.ok();
    assert!((1..=12).contains(&page["events"].as_array().unwrap().len()));
    let mut stream = Socket::events(server.url(), &after(&page["cursor"])).await;
    assert_eq!(stream.next_event().await["type"], "synced");
}

#[tokio::test]
async fn b48_a_cursor_of_before_what_is_kept_by_age_is_told() {
    let server = TestServer::start_with(&["--event-retention", "1s"]);
    let api = server.api();
    let old = api.get("/v1/events").await.ok()["cursor"].clone();
    let lease = api.lock("a", &Acquire::exclusive()).await;
    api.release("a", &lease).await.ok();
    assert_eq!(api.kinds("a").await, ["granted", "released"]);
    eventually("they are too old", || async {
        api.get(&format!("/v1/events{}", after(&old))).await.status == 410
    })
    .await;
    assert_eq!(Socket::events(server.url(), &after(&old)).await.closed().await, 4410);
    // What happened since is kept.
    let cursor = api.get("/v1/events").await.ok()["cursor"].clone();
    api.lock("a", &Acquire::exclusive()).await;
    let page = api.get(&format!("/v1/events{}", after(&cursor))).await.ok();
    assert_eq!((&page["events"][0]["kind"], &page["events"][0]["version"]), (&json!("granted"), &json!(3)));
}

#[tokio::test]
async fn b47_a_slow_reader_is_cut_off_and_resumes_without_a_gap() {
    let server = TestServer::start();
    let api = server.api();
    let start = api.get("/v1/events").await.ok()["cursor"].clone();
    let mut slow = Socket::slow_reader(server.url(), &after(&start)).await;
    let mut other = Socket::events(server.url(), &after(&start)).await;
    assert_eq!(slow.next_event().await["type"], "synced");
    assert_eq!(other.next_event().await["type"], "synced");
    // Large events, until the slow one's buffers are full.
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
    // It reads again as soon as it is cut off.
    let resuming = {
        let api = api.clone();
        spawn(async move {
            let cut_off = || async { api.get("/metrics").await.text.contains("dlm_readers_cut_off_total 1") };
            eventually("the slow reader is cut off", cut_off).await;
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
        assert_eq!(other.next_event().await["type"], "event", "the other reader is not disturbed");
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let (mut seen, cursor, code) = resuming.await.unwrap();
    assert_eq!(code, 4429);
    assert!(seen < 64 * 300, "it was cut off before the end");
    let mut resumed = Socket::events(server.url(), &after(&cursor)).await;
    while resumed.next_event().await["type"] == "event" {
        seen += 1;
    }
    assert_eq!(seen, 64 * 300, "no gap and nothing twice");
}
