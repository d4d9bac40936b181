//! Several addresses, and the one for probes.

use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{SERVER, TestServer, server};
use crate::harness::{Acquire, Api, Authority, Trust, WebSocket, eventually};

/// The address of probes that the server prints.
fn probe_url(server: &TestServer) -> String {
    server.next_line().strip_prefix("serving probes on ").expect("the line of the probes").to_owned()
}

#[tokio::test]
async fn each_address_is_served_as_configured() {
    let authority = Authority::new();
    let server = server(&authority, &["--listen", "http://127.0.0.1:0", "--listen", "https://127.0.0.1:0"]);
    let url = |line: String| line.strip_prefix("listening on ").expect("an address").to_owned();
    let (plain, second) = (url(server.next_line()), url(server.next_line()));
    assert!(plain.starts_with("http://127.0.0.1:") && second.starts_with("https://127.0.0.1:"));
    let trust = Trust::new(&[&authority]);
    let lease = Api::over_tls(server.url(), trust.config()).lock("a", &Acquire::exclusive()).await;
    let (plain, second) = (Api::new(&plain), Api::over_tls(&second, trust.config()));
    assert_eq!(plain.status("a").await["state"], "held");
    second.release("a", &lease).await.ok();
    assert_eq!(plain.status("a").await["state"], "free");
}

#[tokio::test]
async fn plaintext_beside_a_certificate_may_be_allowed_on_any_address() {
    let authority = Authority::new();
    let identity = authority.issue("server", SERVER);
    let allowed = ["--listen", "http://0.0.0.0:0", "--insecure-no-auth", "--insecure-plaintext"];
    let server = TestServer::start_with(&[&identity.arguments()[..], &allowed].concat());
    let line = server.next_line();
    let url = line.strip_prefix("listening on ").unwrap().replace("0.0.0.0", "127.0.0.1");
    assert_eq!(Api::new(&url).get("/v1/locks").await.status, 200);
}

#[tokio::test]
async fn address_for_probes_serves_only_probes() {
    let limits = ["--max-connections", "2", "--max-connections-per-address", "2"];
    let server = TestServer::start_with(&[&limits[..], &["--probe-listen", "0.0.0.0:0"]].concat());
    let url = probe_url(&server).replace("0.0.0.0", "127.0.0.1");
    let probes = Api::new(&url);
    // Nothing that is open elsewhere takes a place from the probes.
    let full = (WebSocket::session(server.url()).await, WebSocket::session(server.url()).await);
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(probes.get(path).await.status, 200, "{path}");
    }
    for path in ["/", "/locks", "/v1/locks", "/v1/locks/a", "/v1/session", "/v1/events", "/openapi.json"] {
        probes.get(path).await.problem(404, "not-found");
    }
    probes.acquire("a", &Acquire::exclusive()).await.problem(404, "not-found");
    probes.post("/livez", &serde_json::json!({})).await.problem(404, "not-found");
    assert!(WebSocket::try_open(&url, "/v1/session", "dlm.session.v1").await.is_err());
    // And no probe takes one from the others.
    drop(full);
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(url.trim_start_matches("http://")).await.unwrap());
    }
    let api = server.api();
    eventually("there is a place", || async { api.get("/v1/locks").await.status == 200 }).await;
}

#[tokio::test]
async fn probes_are_answered_until_the_drain_is_over() {
    let mut server = TestServer::start_with(&["--probe-listen", "127.0.0.1:0"]);
    let probes = Api::new(&probe_url(&server));
    assert_eq!(probes.get("/readyz").await.status, 200);
    // A request whose body never arrives keeps the server from exiting.
    let mut pending = TcpStream::connect(server.url().trim_start_matches("http://")).await.unwrap();
    let head = "POST /v1/renew HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n";
    pending.write_all(head.as_bytes()).await.unwrap();
    let api = server.api();
    eventually("the request has arrived", || async {
        api.get("/metrics").await.text.lines().any(|line| line == "dlm_requests_in_flight 2")
    })
    .await;
    server.signal(Signal::TERM);
    eventually("the server is not ready", || async { probes.get("/readyz").await.status == 503 }).await;
    assert_eq!(probes.get("/livez").await.status, 200);
    drop(pending);
    let exit = tokio::task::spawn_blocking(move || server.wait_for_exit());
    let exit = tokio::time::timeout(Duration::from_secs(60), exit).await.expect("the server exits").unwrap();
    assert_eq!(exit.code(), Some(0));
}
