//! Lists of the locks that are in use, and their counts.

use serde_json::json;

use super::super::TestServer;
use crate::harness::{Acquire, encode, eventually, spawn};

#[tokio::test]
async fn lists_of_held_and_of_waited_for_locks_are_paged() {
    let server = TestServer::start();
    let api = server.api();
    let mut waiters = Vec::new();
    for lock in 0..12 {
        let name = format!("a/{lock:02}");
        let lease = api.lock(&name, &Acquire::exclusive().ttl(60_000)).await;
        // One of two is held, and one of four is waited for, once to four times.
        if lock % 2 == 1 {
            api.release(&name, &lease).await.ok();
        }
        for _ in 0..if lock % 4 == 0 { 1 + lock / 4 } else { 0 } {
            let (api, name) = (api.clone(), name.clone());
            waiters.push(spawn(async move {
                api.acquire(&name, &Acquire::exclusive().ttl(60_000).wait(60_000)).await
            }));
        }
    }
    api.lock("b", &Acquire::exclusive().ttl(60_000)).await;
    eventually("all acquires are queued", || async { api.get("/v1/overview").await.ok()["waiting"] == 6 })
        .await;
    for (state, expected) in [("held", vec![0, 2, 4, 6, 8, 10]), ("waiting", vec![0, 4, 8])] {
        for limit in 1..=7 {
            let (mut listed, mut after) = (Vec::new(), String::new());
            loop {
                let query = format!("/v1/locks?state={state}&prefix=a/&limit={limit}{after}");
                let page = api.get(&query).await.ok();
                let locks = page["locks"].as_array().unwrap();
                assert!(locks.len() <= limit);
                listed.extend(locks.iter().map(|lock| lock["resource"].as_str().unwrap().to_owned()));
                let Some(next) = page["next"].as_str() else { break };
                after = format!("&after={}", encode(next));
            }
            let expected: Vec<_> = expected.iter().map(|lock| format!("a/{lock:02}")).collect();
            assert_eq!(listed, expected, "{state}, {limit} at a time");
        }
    }
    let overview = api.get("/v1/overview").await.ok();
    let contended = overview["contended"].as_array().unwrap();
    let longest: Vec<_> = contended.iter().map(|lock| lock["queue_len"].as_u64().unwrap()).collect();
    assert_eq!((&overview["held"], longest), (&json!(7), vec![3, 2, 1]));
    waiters.iter().for_each(|waiter| waiter.abort());
}
