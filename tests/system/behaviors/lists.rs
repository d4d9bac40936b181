//! Lists of the locks that are in use, and their counts.

use serde_json::json;

use super::super::TestServer;
use crate::harness::{Acquire, AuthFile, encode, eventually, principal, spawn};

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

#[tokio::test]
async fn locks_are_found_by_a_part_of_their_name_in_any_case() {
    let server = TestServer::start();
    let api = server.api();
    for name in ["jobs/Nightly", "jobs/nightly-2", "other/nightly", "jobs/weekly", "100%/a_b", "Ä"] {
        api.lock(name, &Acquire::exclusive().ttl(60_000)).await;
    }
    let lease = api.lock("jobs/fortnightly", &Acquire::exclusive()).await;
    api.release("jobs/fortnightly", &lease).await.ok();
    let (waiting, wait) = (api.clone(), Acquire::exclusive().wait(60_000));
    let waiter = spawn(async move { waiting.acquire("jobs/nightly-2", &wait).await });
    eventually("the acquire is queued", || async { api.queue_len("jobs/nightly-2").await == 1 }).await;
    let find = async |query: &str| {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = api.get(&format!("/v1/locks?{query}{after}")).await.ok();
            let locks = page["locks"].as_array().unwrap();
            found.extend(locks.iter().map(|lock| lock["resource"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { return found };
            after = format!("&after={}", encode(next));
        }
    };
    let nightly = ["jobs/Nightly", "jobs/fortnightly", "jobs/nightly-2", "other/nightly"];
    assert_eq!(find("contains=NIGHTly&state=all").await, nightly);
    assert_eq!(find("contains=NIGHTly&state=all&limit=1").await, nightly, "page by page");
    assert_eq!(find("contains=nightly&state=all&prefix=jobs/").await, nightly[..3]);
    assert_eq!(find("contains=nightly").await, ["jobs/Nightly", "jobs/nightly-2", "other/nightly"], "held");
    assert_eq!(find("contains=nightly&state=waiting").await, ["jobs/nightly-2"]);
    // Nothing in it is a pattern, and the case of other letters counts.
    assert_eq!(find("contains=%25").await, ["100%/a_b"]);
    assert_eq!(find("contains=s_n&state=all").await, [""; 0]);
    assert_eq!((find("contains=%C3%84").await.len(), find("contains=%C3%A4").await.len()), (1, 0));
    assert_eq!(find("contains=&state=all").await.len(), 7);
    waiter.abort();
}

#[tokio::test]
async fn only_names_that_may_be_observed_are_searched() {
    let file = AuthFile::new(
        &(principal("ops", &["ops-token"], &[("admin", "")])
            + &principal("team", &["team-token"], &[("observe", "team/"), ("lock", "x")])),
    );
    let server = TestServer::start_with(&["--auth-file", &file.path()]);
    let (ops, team) = (server.api().with_token("ops-token"), server.api().with_token("team-token"));
    for name in ["secret/job", "team/a/job", "team/b", "x/job", "xjob"] {
        ops.lock(name, &Acquire::exclusive()).await;
    }
    for limit in ["", "&limit=1"] {
        let page = team.get(&format!("/v1/locks?state=all&contains=JOB{limit}")).await.ok();
        assert_eq!(page["locks"][0]["resource"], "team/a/job");
        assert!(!page.to_string().contains("secret") && !page.to_string().contains("xjob"), "{page}");
    }
    let page = team.get("/v1/locks?state=all&contains=job").await.ok();
    assert_eq!((page["locks"].as_array().unwrap().len(), &page["next"]), (2, &json!(null)));
}
