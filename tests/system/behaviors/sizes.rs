//! Replies by size: holders with large metadata, pages of large rows and events.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::super::TestServer;
use crate::harness::{Acquire, Api, WebSocket, encode, eventually, new_key};

/// The size of a page, and what one more row or event and estimates may add.
const MAX_PAGE: usize = 1_300_000;

fn shared() -> Acquire {
    Acquire::shared().ttl(600_000).with("metadata", json!({"text": "x".repeat(4000)}))
}

async fn hold(api: &Api, name: &str, holders: usize) {
    let acquire = shared();
    join_all((0..holders).map(|_| api.lock(name, &acquire))).await;
}

fn count(holders: &Value) -> usize {
    holders.as_array().expect("holders").len()
}

#[tokio::test]
async fn replies_show_only_as_many_holders_as_fit() {
    let server = TestServer::start();
    let api = server.api();
    hold(&api, "a", 100).await;
    let refused = api.acquire("a", &Acquire::exclusive()).await;
    let problem = refused.problem(423, "lock-held");
    assert!((1..100).contains(&count(&problem["holders"])), "{} holders", count(&problem["holders"]));
    let mut session = WebSocket::session(server.url()).await;
    let wait = json!({"resource": "a", "idempotency_key": new_key(), "wait_ms": 1});
    let timed_out = session.request("acquire", wait).await.to_string();
    let status = api.get("/v1/locks/a").await;
    let list = api.get("/v1/locks").await;
    for text in [&refused.text, &timed_out, &status.text, &list.text] {
        assert!(text.len() < 100_000, "{} bytes", text.len());
    }
    let status = status.ok();
    assert_eq!((&status["holder_count"], &status["mode"]), (&json!(100), &json!("shared")));
    // One holder is shown however large it is: 4 KiB that are 24 KiB as JSON.
    let large = json!({"text": "\u{1}".repeat(4000)});
    api.lock("b", &Acquire::exclusive().with("metadata", large.clone())).await;
    assert_eq!(api.status("b").await["holders"][0]["metadata"], large);
}

#[tokio::test]
async fn page_of_large_locks_ends_early_and_continues_without_a_gap() {
    let server = TestServer::start();
    let api = server.api();
    let names: Vec<String> = (0..40).map(|index| format!("large/{index:02}")).collect();
    for name in &names {
        hold(&api, name, 16).await;
    }
    let (mut found, mut pages, mut after) = (Vec::new(), 0, String::new());
    loop {
        let page = api.get(&format!("/v1/locks?limit=1000{after}")).await;
        assert!(page.text.len() < MAX_PAGE, "{} bytes", page.text.len());
        let page = page.ok();
        pages += 1;
        let rows = page["locks"].as_array().unwrap();
        found.extend(rows.iter().map(|row| row["resource"].as_str().unwrap().to_owned()));
        assert!(rows.iter().all(|row| row["holder_count"] == 16));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", encode(next));
    }
    assert_eq!(found, names);
    assert!(pages >= 2, "{pages} page");
}

#[tokio::test]
async fn page_of_large_events_ends_early_and_continues_without_a_gap() {
    let server = TestServer::start();
    let api = server.api();
    let start = api.get("/v1/events").await.ok()["cursor"].as_str().unwrap().to_owned();
    // Batches of hundreds of events of about 1.5 kB each.
    let (name, owner) = ("\"".repeat(250), "\\".repeat(250));
    let held = api.lock(&name, &Acquire::exclusive().ttl(600_000)).await;
    let mut session = WebSocket::session(server.url()).await;
    for _ in 0..1000 {
        let wait = json!({
            "resource": name, "mode": "shared", "owner": owner, "idempotency_key": new_key(),
            "ttl_ms": 600_000, "wait_ms": 600_000,
        });
        session.send_buffered("acquire", wait).await;
    }
    session.flush().await;
    eventually("all are queued", || async { api.queue_len(&name).await == 1000 }).await;
    api.release(&name, &held).await.ok();
    eventually("all are granted", || async { api.status(&name).await["holder_count"] == 1000 }).await;

    let mut versions = Vec::new();
    let mut after = start.clone();
    loop {
        let page = api.get(&format!("/v1/events?limit=1000&after={after}")).await;
        assert!(page.text.len() < MAX_PAGE, "{} bytes", page.text.len());
        let page = page.ok();
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            break;
        }
        versions.extend(events.iter().map(|event| event["version"].as_u64().unwrap()));
        after = page["cursor"].as_str().unwrap().to_owned();
    }
    let all: Vec<u64> = (1..=2002).collect();
    assert_eq!(versions, all, "pages");
    // The newest, in log order, up to the last.
    let newest = api.get("/v1/events?newest=true&limit=1000").await;
    assert!(newest.text.len() < MAX_PAGE, "{} bytes", newest.text.len());
    let newest = newest.ok();
    let newest = newest["events"].as_array().unwrap().iter().map(|event| event["version"].as_u64().unwrap());
    let newest: Vec<u64> = newest.collect();
    assert!(newest.len() > 500 && all.ends_with(&newest), "{} newest events", newest.len());
    // A subscriber gets the same.
    let mut stream = WebSocket::events(server.url(), &format!("?after={start}")).await;
    let mut streamed = Vec::new();
    loop {
        let message = stream.next_event().await;
        if message["type"] == "synced" {
            break;
        }
        streamed.push(message["version"].as_u64().unwrap());
    }
    assert_eq!(streamed, all, "the stream");
}

#[tokio::test]
async fn renewal_of_leases_that_are_large_as_json_is_answered_over_a_session() {
    const LEASES: usize = 400;
    let server = TestServer::start();
    let mut session = WebSocket::session(server.url()).await;
    // 4 kB that are 24 kB as JSON.
    let metadata = json!({"text": "\u{1}".repeat(4000)});
    let mut leases = Vec::new();
    for index in 0..LEASES {
        let acquire = json!({
            "resource": format!("{index}"), "idempotency_key": new_key(), "ttl_ms": 600_000, "metadata": metadata,
        });
        let lease = session.request("acquire", acquire).await["lease"].clone();
        leases.push(json!({"resource": lease["resource"], "lease_id": lease["lease_id"]}));
    }
    let renewed = session.request("renew", json!({"leases": leases})).await;
    let results = renewed["results"].as_array().expect("results");
    assert_eq!(results.len(), LEASES);
    assert!(results.iter().all(|result| result["lease"]["metadata"] == metadata));
}
