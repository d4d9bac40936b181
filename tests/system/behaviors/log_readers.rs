//! Readers of the event log: when they are synced, and rows that can't be read.

use std::sync::Arc;

use serde_json::Value;

use super::super::{Database, TestServer};
use crate::harness::{Acquire, Backend, WebSocket, rounds, spawn};

fn after(cursor: &Value) -> String {
    format!("?after={}", cursor.as_str().expect("a cursor"))
}

#[tokio::test]
async fn b55_synced_comes_after_all_that_was_committed_before_the_subscription() {
    let database = Arc::new(Database::new());
    let servers: Vec<_> = (0..Database::MAX_SERVERS.min(2)).map(|_| TestServer::on(&database, &[])).collect();
    let apis: Vec<_> = servers.iter().map(TestServer::api).collect();
    // Each server follows the log, so that the cursors below are recent ones.
    for server in &servers {
        let mut live = WebSocket::events(server.url(), "").await;
        assert_eq!(live.next_event().await["type"], "synced");
        spawn(async move { while live.try_next().await.is_ok() {} });
    }
    for round in 0..rounds(150) {
        let (writer, reader) = (round % servers.len(), (round / 2) % servers.len());
        let start = apis[reader].get("/v1/events?newest=true&limit=1").await.ok()["cursor"].clone();
        let name = format!("a/{round}");
        apis[writer].lock(&name, &Acquire::exclusive()).await;
        let shown = apis[reader].get(&format!("/v1/events{}", after(&start))).await.ok();
        assert_eq!(shown["events"][0]["resource"], name.as_str(), "the event is committed");
        let mut stream = WebSocket::events(servers[reader].url(), &after(&start)).await;
        let first = stream.next_event().await;
        assert_eq!(first["resource"], name.as_str(), "round {round}: {first}");
        assert_eq!(stream.next_event().await["type"], "synced");
    }
}

#[tokio::test]
async fn b64_unreadable_row_of_the_log_is_skipped_counted_and_logged() {
    let mut server = TestServer::start();
    let api = server.api();
    let start = api.get("/v1/events?newest=true&limit=1").await.ok()["cursor"].clone();
    let mut live = WebSocket::events(server.url(), "").await;
    assert_eq!(live.next_event().await["type"], "synced");
    let held = api.lock("held", &Acquire::exclusive()).await;
    assert_eq!(live.next_event().await["resource"], "held");
    server.database().damage_new_log_rows();
    api.lock("lost", &Acquire::exclusive()).await;
    server.database().stop_damaging_log_rows();
    api.lock("after", &Acquire::exclusive()).await;
    let mut next = live.next_event().await;
    if Database::EVENTS_PRECEDE_LOG && next["resource"] == "lost" {
        next = live.next_event().await;
    }
    assert_eq!(next["resource"], "after", "the live end goes on");
    api.release("held", &held).await.ok();
    assert_eq!(live.next_event().await["kind"], "released");

    if Database::EVENTS_PRECEDE_LOG {
        // The server has the newest events in memory, which it has read before.
        server.kill9_and_restart();
    }
    let api = server.api();
    let expected = ["held", "after", "held"];
    let mut replay = WebSocket::events(server.url(), &after(&start)).await;
    for name in expected {
        assert_eq!(replay.next_event().await["resource"], name);
    }
    assert_eq!(replay.next_event().await["type"], "synced");
    for query in [after(&start), "?newest=true".to_owned()] {
        let page = api.get(&format!("/v1/events{query}")).await.ok();
        let names: Vec<_> = page["events"].as_array().unwrap().iter().map(|event| &event["resource"]).collect();
        assert_eq!(names, expected, "{query}");
    }
    assert_eq!(api.get("/v1/overview").await.ok()["held"], 2);
    let metrics = api.get("/metrics").await.text;
    assert!(metrics.contains("\ndlm_log_rows_skipped_total 1\n"), "{metrics}");
    server.logged("unreadable event log row skipped").await;
    let reported = server.logs().matches("unreadable event log row skipped").count();
    let runs = if Database::EVENTS_PRECEDE_LOG { 2 } else { 1 };
    assert!(reported <= runs, "once in each run: {reported}");
}
