//! Who may hold a lock beside whom.

use super::super::TestServer;
use crate::harness::{Acquire, alone, eventually, key, micros, now, spawn};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn b01_a_held_exclusive_lock_is_refused_and_says_who_holds() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive().with("owner", "api-7")).await;
    for refused in [Acquire::exclusive(), Acquire::shared()] {
        let problem = api.acquire("a", &refused).await.problem(423, "lock-held");
        assert_eq!(problem["holders"][0]["owner"], "api-7");
        assert_eq!(problem["holders"][0]["fencing_token"], held["fencing_token"]);
        assert_eq!(problem["queue_len"], 0);
        assert!(problem["retry_after_ms"].as_u64().unwrap() <= 30_001);
    }
}

#[tokio::test]
async fn b02_shared_joins_shared_and_exclusive_waits() {
    let server = TestServer::start();
    let api = server.api();
    let first = api.lock("a", &Acquire::shared()).await;
    let second = api.lock("a", &Acquire::shared()).await;
    assert_ne!(first["fencing_token"], second["fencing_token"]);
    api.acquire("a", &Acquire::exclusive()).await.problem(423, "lock-held");
    let status = api.status("a").await;
    assert_eq!((status["holder_count"].as_u64(), status["mode"].as_str()), (Some(2), Some("shared")));
    api.release("a", &first).await.ok();
    api.acquire("a", &Acquire::exclusive()).await.problem(423, "lock-held");
    api.release("a", &second).await.ok();
    api.lock("a", &Acquire::exclusive()).await;
}

#[tokio::test]
async fn b04_names_are_independent_and_bad_ones_are_refused() {
    let server = TestServer::start();
    let api = server.api();
    let long = "x".repeat(256);
    for name in ["a", "a/b", "A", "%", " ", "🔒", "a%2Fb", "acquire", &long] {
        let lease = api.lock(name, &Acquire::exclusive()).await;
        assert_eq!(lease["resource"], *name);
        assert_eq!(lease["fencing_token"], 1, "{name:?} is a lock of its own");
        assert_eq!(api.status(name).await["resource"], *name);
    }
    let too_long = "x".repeat(257);
    for name in ["a\nb", "a\u{0}", "a\u{202e}b", &too_long] {
        api.acquire(name, &Acquire::exclusive()).await.problem(400, "invalid-name");
    }
    // An HTTP library would resolve these before it sends them.
    for segment in ["", "..", ".", "%2e%2E", "%2E", "%ff", "%4"] {
        let answer = raw(server.url(), &format!("POST /v1/locks/{segment}/acquire HTTP/1.1")).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("invalid-name"), "{segment:?}: {answer}");
    }
}

/// What a server answers to a request line, byte by byte.
async fn raw(url: &str, line: &str) -> String {
    let host = url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("{line}\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn b05_a_refused_request_leaves_nothing_in_the_queue() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let tried = key();
    let again = Acquire::exclusive().key(&tried);
    for _ in 0..3 {
        api.acquire("a", &again).await.problem(423, "lock-held");
    }
    assert_eq!(api.queue_len("a").await, 0);
    api.release("a", &held).await.ok();
    // The key was not remembered either.
    api.lock("a", &again).await;
    assert_eq!(api.kinds("a").await, ["granted", "released", "granted"]);
}

#[tokio::test]
async fn b06_a_wait_ends_at_its_deadline_and_stays_ended() {
    let _alone = alone();
    let server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive()).await;
    let waiting = Acquire::exclusive().wait(700).key(&key());
    for repeat in [false, true] {
        let started = now();
        let problem = api.acquire("a", &waiting).await.problem(423, "wait-timeout");
        let took = started.elapsed();
        assert_eq!(took < Duration::from_millis(700), repeat, "{took:?}");
        assert_eq!(problem["holders"].as_array().unwrap().len(), 1);
    }
    assert_eq!(api.queue_len("a").await, 0);
    let events = api.events("a").await;
    assert_eq!(events[2]["kind"], "wait_timed_out");
    let waited = micros(&events[2]["at"]) - micros(&events[1]["at"]);
    assert!((700_000 - 1000..800_000).contains(&waited), "{waited} µs");
}

#[tokio::test]
async fn b06_a_deadline_does_not_drift_over_repeated_waits() {
    let _alone = alone();
    let server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive()).await;
    let waiting = Acquire::exclusive().wait(3000).key(&key());
    let mut deadlines = Vec::new();
    for _ in 0..4 {
        let leaving = {
            let (api, waiting) = (api.clone(), waiting.clone());
            spawn(async move { api.acquire("a", &waiting).await })
        };
        let is_away = async |away: bool| {
            eventually("it comes and goes", || async { api.status("a").await["waiters"][0]["away"] == away }).await;
        };
        is_away(false).await;
        leaving.abort();
        is_away(true).await;
        deadlines.push(api.status("a").await["waiters"][0]["deadline"].clone());
    }
    assert!(deadlines[0].is_string() && deadlines.iter().all(|deadline| *deadline == deadlines[0]), "{deadlines:?}");
    api.acquire("a", &waiting).await.problem(423, "wait-timeout");
    let events = api.events("a").await;
    let kinds: Vec<_> = events.iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["granted", "queued", "wait_timed_out"]);
    let waited = micros(&events[2]["at"]) - micros(&events[1]["at"]);
    assert!((3_000_000 - 1000..3_100_000).contains(&waited), "{waited} µs");
}
