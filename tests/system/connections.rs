//! Connections: how many may be open, how long they may take, and requests that
//! the HTTP library refuses.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{
    Acquire, RawHttp2, ServerProcess, Sqlite, WebSocket, eventually, now, release_test_lock,
};

type TestServer = ServerProcess<Sqlite>;

fn address(server: &TestServer) -> SocketAddr {
    server.url().trim_start_matches("http://").parse().unwrap()
}

/// Connects from this address of the loopback network.
async fn connect_from(server: &TestServer, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(address(server)).await.unwrap()
}

/// Sends a request on a new connection, and reads until the server closes it.
/// Returns the head in lower case and the body.
async fn exchange(mut stream: TcpStream, request: &str) -> (String, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to_end(stream).await
}

async fn read_to_end(mut stream: TcpStream) -> (String, String) {
    let mut response = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut response)).await;
    read.expect("the server closes the connection").unwrap();
    let text = String::from_utf8(response).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
    (head.to_lowercase(), body.to_owned())
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

/// Takes places until a connection from this address is refused, and a few more.
async fn fill(server: &TestServer, from: &str, places: usize) -> Vec<TcpStream> {
    let mut idle = Vec::new();
    for _ in 0..places {
        idle.push(connect_from(server, from).await);
    }
    idle
}

#[tokio::test]
async fn probes_are_answered_while_all_places_are_taken() {
    let server = TestServer::start_with(&["--max-connections", "8", "--max-connections-per-address", "8"]);
    let mut idle = fill(&server, "127.0.0.1", 8).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        let (head, _) = exchange(connect_from(&server, "127.0.0.1").await, &get(path)).await;
        assert!(head.starts_with("http/1.1 200 "), "{path}: {head}");
    }
    // Closed after one response although the client would keep it alive.
    let acquire = "POST /v1/locks/a/acquire HTTP/1.1\r\nhost: localhost\r\nx-request-id: mine-7\r\n\
        content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let (head, body) = exchange(connect_from(&server, "127.0.0.1").await, acquire).await;
    assert!(head.starts_with("http/1.1 503 ") && head.contains("connection: close"), "{head}");
    assert!(head.contains("\r\nretry-after: 5") && head.contains("\r\nx-request-id: mine-7"), "{head}");
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&problem["code"], &problem["request_id"]), (&"unavailable".into(), &"mine-7".into()));
    // Over HTTP/2 as well.
    let mut http2 = RawHttp2::connect(server.url()).await;
    http2.acquire("a", &Acquire::exclusive()).await;
    assert!(http2.read_to_end().await.windows(5).any(|text| text == b"\"unav"), "no problem");
    idle.pop();
    let (head, _) = exchange_until(&server, "http/1.1 200 ", &get("/v1/locks")).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
}

/// Repeats a request until its response begins like this.
async fn exchange_until(server: &TestServer, start: &str, request: &str) -> (String, String) {
    let until = now() + Duration::from_secs(20);
    loop {
        let response = exchange(connect_from(server, "127.0.0.1").await, request).await;
        if response.0.starts_with(start) || now() > until {
            return response;
        }
    }
}

#[tokio::test]
async fn one_address_can_not_take_all_places() {
    let server = TestServer::start_with(&["--max-connections", "8", "--max-connections-per-address", "6"]);
    let idle = fill(&server, "127.0.0.2", 6).await;
    let lease = server.api().lock("a", &Acquire::exclusive()).await;
    let (head, body) = exchange(connect_from(&server, "127.0.0.2").await, &get("/v1/locks")).await;
    assert!(head.starts_with("http/1.1 429 ") && head.contains("\r\nretry-after: 5"), "{head}");
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&problem["code"], &problem["quota"]),
        (&"quota-exceeded".into(), &"connections".into()),
        "{body}"
    );
    // No quota keeps a lease from being renewed or released.
    for operation in ["renew", "release"] {
        let body = serde_json::json!({"lease_id": lease["lease_id"]}).to_string();
        let request = format!(
            "POST /v1/locks/a/{operation} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (head, body) = exchange(connect_from(&server, "127.0.0.2").await, &request).await;
        assert!(head.starts_with("http/1.1 200 "), "{operation}: {head} {body}");
    }
    let (head, _) = exchange(connect_from(&server, "127.0.0.1").await, &get("/v1/locks")).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    drop(idle);
}

#[tokio::test]
async fn an_open_websocket_takes_a_place() {
    let server = TestServer::start_with(&["--max-connections", "2", "--max-connections-per-address", "2"]);
    let sockets = (WebSocket::session(server.url()).await, WebSocket::events(server.url(), "").await);
    let (head, _) = exchange(connect_from(&server, "127.0.0.1").await, &get("/v1/locks")).await;
    assert!(head.starts_with("http/1.1 503 "), "{head}");
    drop(sockets);
    let (head, _) = exchange_until(&server, "http/1.1 200 ", &get("/v1/locks")).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_configured_time() {
    let server = TestServer::start_with(&["--keep-alive", "1s"]);
    let mut stream = connect_from(&server, "127.0.0.1").await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let (head, _) = read_to_end(stream).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    let server = TestServer::start_with(&["--keep-alive", "0s"]);
    let request = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let (head, _) = exchange(connect_from(&server, "127.0.0.1").await, request).await;
    assert!(head.starts_with("http/1.1 200 ") && head.contains("connection: close"), "{head}");
}

#[tokio::test]
async fn a_client_that_stalls_is_disconnected() {
    let server = TestServer::start();
    let api = server.api();
    // A page of more than the kernel buffers for a client that does not read.
    let metadata = serde_json::json!({"text": "x".repeat(4000)});
    for index in 0..220 {
        api.lock(
            &format!("a/{index}"),
            &Acquire::exclusive().ttl(600_000).with("metadata", metadata.clone()),
        )
        .await;
    }
    let started = now();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut http1 = socket.connect(address(&server)).await.unwrap();
    // HTTP/1, and nothing is read.
    for _ in 0..8 {
        http1.write_all(b"GET /v1/locks?limit=1000 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    }
    // HTTP/2: everything is read and pings are answered, but responses get no window.
    let mut http2 = RawHttp2::without_window(server.url()).await;
    http2.get("/v1/locks?limit=1000").await;
    let http2 = crate::harness::spawn(async move { http2.answer_pings_to_the_end().await });
    // A head that never ends.
    let mut slow = connect_from(&server, "127.0.0.1").await;
    release_test_lock();
    let slow = crate::harness::spawn(async move {
        slow.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        let begun = now();
        while slow.write_all(b"x").await.is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the head has no deadline");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        begun.elapsed()
    });
    let slow = slow.await.unwrap().as_secs_f64();
    assert!((9.0..20.0).contains(&slow), "a slow head was accepted for {slow} s");
    http2.await.unwrap();
    let took = started.elapsed().as_secs_f64();
    assert!((29.0..50.0).contains(&took), "HTTP/2 without a window lasted {took} s");
    // The one that remains is that of the test's own client.
    eventually("all are closed", || async {
        api.get("/metrics").await.text.lines().any(|line| line == "dlm_connections 1")
    })
    .await;
    drop(http1);
}

#[tokio::test]
async fn a_request_that_can_not_be_parsed_gets_a_problem() {
    let server = TestServer::start();
    let long = "x".repeat(200_000);
    let many: String = (0..70).map(|index| format!("x-{index}: y\r\n")).collect();
    for (status, request) in [
        (400, "GET / HTTP/1.1\r\nx-request-id: mine-7\r\nbad header\r\n\r\n".to_owned()),
        (400, "\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned()),
        (414, format!("GET /{long} HTTP/1.1\r\nx-request-id: mine-7\r\n\r\n")),
        (431, format!("GET / HTTP/1.1\r\nx-request-id: mine-7\r\n{many}\r\n")),
        (431, format!("GET / HTTP/1.1\r\nx-request-id: mine-7\r\nx: {long}\r\n\r\n")),
    ] {
        let (head, body) = exchange(connect_from(&server, "127.0.0.1").await, &request).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert!(head.contains("\r\ncontent-type: application/problem+json"), "{head}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &"invalid-request".into()));
        let id = problem["request_id"].as_str().unwrap();
        assert!(head.contains(&format!("\r\nx-request-id: {id}")), "{id} in {head}");
        if request.contains("GET / HTTP") {
            assert_eq!(id, "mine-7");
        }
    }
}
