//! Whose word about a client's address is believed.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::TestServer;
use crate::harness::eventually;

/// Connects from this address of the loopback network.
async fn connect_from(server: &TestServer, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(server.url().trim_start_matches("http://").parse().unwrap()).await.unwrap()
}

/// Sends a request from this address with these headers; returns the response.
async fn get(server: &TestServer, from: &str, id: &str, headers: &str) -> String {
    let mut stream = connect_from(server, from).await;
    let request = format!(
        "GET /v1/locks HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-request-id: {id}\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn address_of_a_client_behind_a_trusted_proxy_is_logged() {
    let arguments = ["--trusted-proxy", "127.0.0.2,127.0.1.0/24", "--log", "dlm_server=debug"];
    let server = TestServer::start_with(&arguments);
    for (id, from, headers, client) in [
        ("direct", "127.0.0.3", "x-forwarded-for: 203.0.113.9\r\n", "127.0.0.3"),
        ("proxied", "127.0.0.2", "x-forwarded-for: 198.51.100.1, 203.0.113.9\r\n", "203.0.113.9"),
        (
            "chained",
            "127.0.1.7",
            "x-forwarded-for: 203.0.113.9\r\nx-forwarded-for: 127.0.0.2\r\n",
            "203.0.113.9",
        ),
        ("malformed", "127.0.0.2", "x-forwarded-for: 203.0.113.9, unknown\r\n", "127.0.0.2"),
        ("silent", "127.0.0.2", "", "127.0.0.2"),
    ] {
        assert!(get(&server, from, id, headers).await.starts_with("HTTP/1.1 200 "), "{id}");
        let logged = format!("request answered request_id=\"{id}\" client={client} ");
        eventually(&logged, || async { server.logs().contains(&logged) }).await;
    }
}

#[tokio::test]
async fn scheme_that_a_trusted_proxy_reports_is_that_of_the_page() {
    let server = TestServer::start_with(&["--trusted-proxy", "127.0.0.2"]);
    for (from, proto, origin, status) in [
        ("127.0.0.2", "https", "https://localhost", "200"),
        ("127.0.0.2", "https", "http://localhost", "403"),
        ("127.0.0.2", "http", "https://localhost", "403"),
        ("127.0.0.3", "https", "http://localhost", "200"),
    ] {
        let headers = format!("x-forwarded-proto: {proto}\r\norigin: {origin}\r\n");
        let response = get(&server, from, "a", &headers).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{from} {proto} {origin}: {response}");
    }
}

#[tokio::test]
async fn trusted_proxy_may_take_all_connections() {
    let arguments =
        ["--max-connections", "6", "--max-connections-per-address", "2", "--trusted-proxy", "127.0.0.2"];
    let server = TestServer::start_with(&arguments);
    let mut idle = Vec::new();
    for from in ["127.0.0.3", "127.0.0.3", "127.0.0.2", "127.0.0.2", "127.0.0.2"] {
        idle.push(connect_from(&server, from).await);
    }
    let others = get(&server, "127.0.0.3", "a", "x-forwarded-for: 203.0.113.9\r\n").await;
    assert!(others.contains("too many connections from this address"), "{others}");
    assert!(get(&server, "127.0.0.2", "a", "").await.starts_with("HTTP/1.1 200 "));
}
