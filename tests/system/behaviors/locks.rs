//! Modes, names, and waits that end.

use super::super::TestServer;
use crate::harness::{Acquire, MachineDelay, eventually, quiet_test_lock, micros, new_key, now, spawn};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn b01_held_exclusive_lock_is_refused_with_its_holders() {
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
async fn b02_shared_joins_shared_and_exclusive_is_refused() {
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
async fn b04_names_are_independent_and_invalid_names_are_refused() {
    let server = TestServer::start();
    let api = server.api();
    let long = "x".repeat(256);
    for name in ["a", "a/b", "A", "%", " ", "🔒", "a%2Fb", "acquire", &long] {
        let lease = api.lock(name, &Acquire::exclusive()).await;
        assert_eq!(lease["resource"], *name);
        assert_eq!(lease["fencing_token"], 1, "{name:?} is an independent lock");
        assert_eq!(api.status(name).await["resource"], *name);
    }
    let too_long = "x".repeat(257);
    for name in ["a\nb", "a\u{0}", "a\u{202e}b", &too_long] {
        api.acquire(name, &Acquire::exclusive()).await.problem(400, "invalid-name");
    }
    // Sent raw: HTTP libraries normalize these path segments.
    for segment in ["", "..", ".", "%2e%2E", "%2E", "%ff", "%4"] {
        let response = send_raw(server.url(), &format!("POST /v1/locks/{segment}/acquire HTTP/1.1")).await;
        assert!(
            response.starts_with("HTTP/1.1 400") && response.contains("invalid-name"),
            "{segment:?}: {response}"
        );
    }
}

/// Sends a request line as it is; returns the raw response.
async fn send_raw(url: &str, line: &str) -> String {
    let host = url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("{line}\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn b05_refused_acquire_leaves_nothing_in_the_queue() {
    let server = TestServer::start();
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive()).await;
    let acquire = Acquire::exclusive().key(&new_key());
    for _ in 0..3 {
        api.acquire("a", &acquire).await.problem(423, "lock-held");
    }
    assert_eq!(api.queue_len("a").await, 0);
    api.release("a", &held).await.ok();
    // The key left no tombstone either.
    api.lock("a", &acquire).await;
    assert_eq!(api.event_kinds("a").await, ["granted", "released", "granted"]);
}

/// Asserts that the wait of the second and third event ended at its deadline.
fn assert_waited(events: &[serde_json::Value], wait_ms: u64, delay: &MachineDelay) {
    let waited = micros(&events[2]["at"]) - micros(&events[1]["at"]);
    let waited = Duration::from_micros(u64::try_from(waited).expect("events in order"));
    let wait = Duration::from_millis(wait_ms);
    // The wire has milliseconds.
    assert!(waited >= wait - Duration::from_millis(1), "{waited:?}");
    delay.assert_within("the wait", waited, wait + Duration::from_millis(100));
}

#[tokio::test]
async fn b06_wait_times_out_at_its_deadline_and_a_retry_gets_the_same_reply() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive()).await;
    let waiting = Acquire::exclusive().wait(2000).key(&new_key());
    for is_retry in [false, true] {
        let started = now();
        let problem = api.acquire("a", &waiting).await.problem(423, "wait-timeout");
        let took = started.elapsed();
        assert_eq!(took < Duration::from_millis(2000), is_retry, "{took:?}");
        assert_eq!(problem["holders"].as_array().unwrap().len(), 1);
    }
    assert_eq!(api.queue_len("a").await, 0);
    let events = api.events("a").await;
    assert_eq!(events[2]["kind"], "wait_timed_out");
    assert_waited(&events, 2000, &delay);
}

#[tokio::test]
async fn b06_deadline_does_not_drift_over_repeated_waits() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive()).await;
    let waiting = Acquire::exclusive().wait(6000).key(&new_key());
    let mut deadlines = Vec::new();
    for _ in 0..4 {
        let request = {
            let (api, waiting) = (api.clone(), waiting.clone());
            spawn(async move { api.acquire("a", &waiting).await })
        };
        let wait_for_away = async |away: bool| {
            eventually("the waiter is away or back", || async {
                api.status("a").await["waiters"][0]["away"] == away
            })
            .await;
        };
        wait_for_away(false).await;
        request.abort();
        wait_for_away(true).await;
        deadlines.push(api.status("a").await["waiters"][0]["deadline"].clone());
    }
    assert!(
        deadlines[0].is_string() && deadlines.iter().all(|deadline| *deadline == deadlines[0]),
        "{deadlines:?}"
    );
    api.acquire("a", &waiting).await.problem(423, "wait-timeout");
    let events = api.events("a").await;
    let kinds: Vec<_> = events.iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["granted", "queued", "wait_timed_out"]);
    assert_waited(&events, 6000, &delay);
}
