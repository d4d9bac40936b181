//! The transports at their limits: many pending operations, unresponsive peers,
//! shutdown during a database outage.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    Acquire, Backend, DedicatedPostgres, MachineDelay, Postgres, ServerProcess, Sqlite, WebSocket, binary,
    eventually, micros, new_key, now, quiet_test_lock, release_test_lock, spawn,
};

type TestServer = ServerProcess<Sqlite>;

#[tokio::test]
async fn session_with_ten_thousand_pending_waits_still_answers() {
    let server = TestServer::start();
    let mut session = WebSocket::session(server.url()).await;
    let acquire =
        |name: &str, wait: u64| json!({"resource": name, "idempotency_key": new_key(), "wait_ms": wait});
    session.request("acquire", acquire("a", 0)).await;
    let other = session.request("acquire", acquire("b", 0)).await["lease"].clone();
    for _ in 0..10_500 {
        session.send("acquire", acquire("a", 600_000)).await;
    }
    let renewed = session.request("renew", json!({"resource": "b", "lease_id": other["lease_id"]})).await;
    assert_eq!(renewed["lease"]["fencing_token"], other["fencing_token"]);
    assert_eq!(session.request("status", json!({"resource": "a"})).await["status"]["queue_len"], 10_500);
}

#[tokio::test]
async fn silent_session_is_closed_after_ten_seconds() {
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    // Never polled, so it does not answer pings.
    let silent = WebSocket::session(server.url()).await;
    release_test_lock();
    let started = now();
    let open = "dlm_websocket_connections{protocol=\"session\"} 1";
    eventually("the session is open", || async { server.api().get("/metrics").await.text.contains(open) })
        .await;
    eventually("the session is closed", || async { !server.api().get("/metrics").await.text.contains(open) })
        .await;
    let took = started.elapsed();
    assert!(took > Duration::from_millis(9_500), "{took:?}");
    delay.assert_within("the silence", took, Duration::from_millis(11_500));
    drop(silent);
}

#[tokio::test]
async fn bookmarks_arrive_while_events_flow() {
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let mut stream = WebSocket::events(server.url(), "?renewals=true").await;
    let api = server.api();
    release_test_lock();
    let writer = spawn(async move {
        loop {
            let lease = api.lock("a", &Acquire::exclusive()).await;
            api.renew("a", &lease).await.ok();
            api.release("a", &lease).await.ok();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let started = now();
    while stream.next().await["type"] != "bookmark" {}
    delay.assert_within("the first bookmark", started.elapsed(), Duration::from_secs(10));
    writer.abort();
}

#[tokio::test]
async fn server_with_unresponsive_peers_exits_within_ten_seconds() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let mut server = TestServer::start();
    let silent = WebSocket::session(server.url()).await;
    let mut incomplete = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    let head = "POST /v1/locks/a/acquire HTTP/1.1\r\nhost: localhost\r\n\
        content-type: application/json\r\ncontent-length: 9\r\n\r\n";
    incomplete.write_all(head.as_bytes()).unwrap();
    eventually("the incomplete request is in flight", || async {
        server.api().get("/metrics").await.text.contains("dlm_requests_in_flight 2")
    })
    .await;
    let started = now();
    let status = tokio::task::spawn_blocking(move || server.terminate()).await.unwrap();
    assert!(status.success(), "{status}");
    delay.assert_within("the exit", started.elapsed(), Duration::from_secs(10));
    drop((silent, incomplete));
}

#[tokio::test]
async fn server_exits_within_ten_seconds_during_a_database_outage() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let mut postgres = DedicatedPostgres::start();
    let mut server = postgres.server(&[]);
    let api = server.api();
    api.lock("a", &Acquire::exclusive()).await;
    let waiter = spawn({
        let api = api.clone();
        async move { api.try_acquire("a", &Acquire::exclusive().wait(20_000)).await.map(drop) }
    });
    eventually("the acquire is queued", || async { api.queue_len("a").await == 1 }).await;
    let (status, took) = tokio::task::spawn_blocking(move || {
        postgres.cluster.stop_immediately();
        let started = now();
        (server.terminate(), started.elapsed())
    })
    .await
    .unwrap();
    assert!(status.success(), "{status}");
    delay.assert_within("the exit", took, Duration::from_secs(10));
    waiter.abort();
}

#[tokio::test]
async fn empty_name_is_invalid_and_not_another_path() {
    let server = TestServer::start();
    let api = server.api();
    for operation in ["acquire", "cancel", "renew", "release", "force-release", "check"] {
        let path = format!("/v1/locks//{operation}");
        api.post(&path, &json!({})).await.problem(400, "invalid-name");
    }
    api.get("/v1/locks/").await.problem(400, "invalid-name");
}

#[tokio::test]
async fn list_rows_have_the_cursor_of_their_page() {
    let server = TestServer::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive()).await;
    let page = api.get("/v1/locks").await.ok();
    assert!(page["cursor"].is_string());
    assert_eq!(page["locks"][0]["cursor"], page["cursor"]);
}

#[tokio::test]
async fn lists_are_answered_while_leases_keep_expiring() {
    let server = TestServer::start();
    let api = server.api();
    let holders: Vec<_> = (0..8)
        .map(|holder| {
            let api = api.clone();
            spawn(async move {
                for round in 0.. {
                    let name = format!("{holder}/{}", round % 20);
                    api.acquire(&name, &Acquire::exclusive().ttl(250)).await;
                }
            })
        })
        .collect();
    for _ in 0..15 {
        let requested_at = crate::harness::wall_clock_micros();
        for lock in api.get("/v1/locks?limit=1000").await.ok()["locks"].as_array().unwrap() {
            assert_eq!(lock["state"], "held", "{lock}");
            // The wire has milliseconds, and the clocks may differ by some.
            assert!(
                micros(&lock["holders"][0]["expires_at"]) >= requested_at - 5_000,
                "{lock} is shown as live at {requested_at}"
            );
        }
    }
    holders.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn malformed_lease_id_is_not_a_holder() {
    let server = TestServer::start();
    let api = server.api();
    let lease = api.lock("a", &Acquire::exclusive()).await;
    for id in ["", "é", "with space", &"x".repeat(2000)] {
        let body = json!({"lease_id": id});
        api.post("/v1/locks/a/renew", &body).await.problem(403, "not-holder");
        api.post("/v1/locks/a/release", &body).await.problem(403, "not-holder");
        let item = |id: &Value| json!({"resource": "a", "lease_id": id});
        let leases = json!({"leases": [item(&json!(id)), item(&lease["lease_id"])]});
        let results = api.post("/v1/renew", &leases).await.ok()["results"].clone();
        assert_eq!(results[0]["problem"]["code"], "not-holder", "{results}");
        assert_eq!(results[1]["lease"]["fencing_token"], 1, "{results}");
    }
}

#[tokio::test]
async fn problem_in_renewal_results_has_its_request_id() {
    let server = TestServer::start();
    let mut session = WebSocket::session(server.url()).await;
    let renewal = json!({"leases": [{"resource": "a", "lease_id": "x"}]});
    let results = session.request("renew", renewal).await["results"].clone();
    let refused =
        session.request("renew", json!({"resource": "a", "lease_id": "x"})).await["problem"].clone();
    let (in_results, single) = (results[0]["problem"]["request_id"].as_str(), refused["request_id"].as_str());
    let session_of = |id: Option<&str>| id.unwrap().rsplit_once('/').unwrap().0.to_owned();
    assert_eq!(session_of(in_results), session_of(single));
    assert!(in_results.unwrap().ends_with("/1"), "{in_results:?}");
}

#[tokio::test]
async fn metrics_are_prometheus_text_unless_openmetrics_is_accepted() {
    let server = TestServer::start();
    let api = server.api();
    let plain = api.get("/metrics").await;
    assert_eq!(plain.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(plain.text.contains("# TYPE dlm_batches_retried_total counter\n"), "{}", plain.text);
    let accept = [("accept", "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.2")];
    let open = api.send(Method::GET, "/metrics", &accept, None).await;
    assert_eq!(open.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.text.ends_with("# EOF\n"), "{}", open.text);
}

#[tokio::test]
async fn renewals_are_streamed_at_any_server() {
    let database = Arc::new(Postgres::new());
    let (first, second) =
        (ServerProcess::<Postgres>::on(&database, &[]), ServerProcess::<Postgres>::on(&database, &[]));
    let api = second.api();
    let lease = api.lock("a", &Acquire::exclusive()).await;
    let mut stream = WebSocket::events(first.url(), "?resource=a&renewals=true").await;
    assert_eq!(stream.next_event().await["type"], "synced");
    let renewing = spawn(async move {
        loop {
            api.renew("a", &lease).await.ok();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let renewed = stream.next_event().await;
    assert_eq!((&renewed["type"], &renewed["fencing_token"]), (&json!("renewed"), &json!(1)));
    renewing.abort();
}

#[test]
fn server_raises_its_open_file_limit_to_the_hard_limit() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("test.db").display());
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -Sn 256; exec \"$0\" --listen 127.0.0.1:0 --database-url \"$1\""])
        .arg(binary("dlm-server"))
        .arg(database)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
        .unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let columns: Vec<&str> = files.split_whitespace().collect();
    assert_eq!(columns[3], columns[4], "{files}");
}
