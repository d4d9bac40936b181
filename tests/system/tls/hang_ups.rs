//! Clients over TLS that hang up, stall or send nothing.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{TestServer, server};
use crate::harness::{
    Acquire, Api, Authority, MachineDelay, TlsClient, Trust, acquire_request, eventually, now,
    release_test_lock, spawn,
};

async fn connect(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.url().trim_start_matches("https://")).await.unwrap()
}

#[tokio::test]
async fn silent_client_is_disconnected_in_and_after_the_handshake() {
    let authority = Authority::new();
    let server = server(&authority, &[]);
    let trust = Trust::new(&[&authority]);
    let started = now();
    let mut silent = connect(&server).await;
    let mut half_a_hello = connect(&server).await;
    half_a_hello.write_all(b"\x16\x03\x01\x02\x00\x01\x00").await.unwrap();
    let mut dripping = connect(&server).await;
    let mut after_it = TlsClient::connect(server.url(), &trust).await;
    release_test_lock();
    let drip = spawn(async move {
        // A client hello of 16 KiB, a byte at a time.
        dripping.write_all(b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc").await.unwrap();
        while dripping.write_all(b"\x03").await.is_ok() {
            assert!(started.elapsed() < Duration::from_secs(60), "the handshake has no deadline");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let closed = async {
        let mut buffer = Vec::new();
        silent.read_to_end(&mut buffer).await.ok();
        half_a_hello.read_to_end(&mut buffer).await.ok();
        after_it.read_to_end().await.ok();
        drip.await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(60), closed).await.expect("all are closed");
    let took = started.elapsed().as_secs_f64();
    assert!((9.0..20.0).contains(&took), "silent connections lasted {took} s");
}

#[tokio::test]
async fn waiter_that_hangs_up_over_tls_leaves_the_queue() {
    let delay = MachineDelay::watch();
    let authority = Authority::new();
    let server = server(&authority, &[]);
    let trust = Trust::new(&[&authority]);
    let api = Api::over_tls(server.url(), trust.config());
    for how in ["close", "close with bytes unread", "end of the TCP stream", "reset"] {
        let lease = api.lock(how, &Acquire::exclusive().ttl(60_000)).await;
        let mut client = TlsClient::connect(server.url(), &trust).await;
        let mut request = acquire_request("localhost", how, &Acquire::exclusive().wait(60_000));
        if how == "close with bytes unread" {
            request += "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
        }
        client.send(request.as_bytes()).await;
        eventually("the waiter is queued", || async { api.queue_len(how).await == 1 }).await;
        let hung_up = now();
        match how {
            "end of the TCP stream" => drop(client),
            "reset" => client.into_tcp().set_zero_linger().unwrap(),
            _ => {
                client.half_close().await;
                drop(client);
            }
        }
        eventually("the waiter has left", || async { api.queue_len(how).await == 0 }).await;
        delay.assert_within(how, hung_up.elapsed(), Duration::from_secs(5));
        api.release(how, &lease).await.ok();
        assert_eq!(api.event_kinds(how).await, ["granted", "queued", "cancelled", "released"], "{how}");
    }
}

#[tokio::test]
async fn client_that_closes_its_direction_over_tls_is_answered() {
    let delay = MachineDelay::watch();
    let authority = Authority::new();
    let server = server(&authority, &[]);
    let trust = Trust::new(&[&authority]);
    let api = Api::over_tls(server.url(), trust.config());
    let half_closed = async |name: &str| {
        let mut client = TlsClient::connect(server.url(), &trust).await;
        let request = acquire_request("localhost", name, &Acquire::exclusive().ttl(60_000).wait(60_000));
        client.send(request.as_bytes()).await;
        client.half_close().await;
        client.read_to_end().await.unwrap()
    };
    let granted = half_closed("a").await;
    assert!(granted.starts_with("HTTP/1.1 200 ") && granted.contains("\"fencing_token\":1"), "{granted}");
    let closed = now();
    let queued = half_closed("a").await;
    // A waiter whose client still sends is answered after 20 s.
    delay.assert_within("the response", closed.elapsed(), Duration::from_secs(10));
    assert!(queued.starts_with("HTTP/1.1 202 ") && queued.contains("\"position\":1"), "{queued}");
    eventually("the waiter is away", || async { api.status("a").await["waiters"][0]["away"] == true }).await;
}

#[tokio::test]
async fn waiter_whose_tcp_stream_ends_without_a_notice_of_tls_is_answered_and_can_return() {
    let delay = MachineDelay::watch();
    let authority = Authority::new();
    let server = server(&authority, &[]);
    let trust = Trust::new(&[&authority]);
    let api = Api::over_tls(server.url(), trust.config());
    let lease = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let waiting = Acquire::exclusive().wait(60_000);
    let mut client = TlsClient::connect(server.url(), &trust).await;
    client.send(acquire_request("localhost", "a", &waiting).as_bytes()).await;
    eventually("the waiter is queued", || async { api.queue_len("a").await == 1 }).await;
    let ended = now();
    client.end_tcp_stream();
    let queued = client.read_what_comes().await;
    delay.assert_within("the response", ended.elapsed(), Duration::from_secs(10));
    assert!(queued.starts_with("HTTP/1.1 202 "), "{queued}");
    let (_, body) = queued.split_once("\r\n\r\n").unwrap();
    let queued: serde_json::Value = serde_json::from_str(body).unwrap();
    // It is away, and never granted until it returns with its key.
    api.release("a", &lease).await.ok();
    assert_eq!(api.status("a").await["state"], "free");
    let granted = api.lock("a", &waiting.key(queued["idempotency_key"].as_str().unwrap())).await;
    assert_eq!(granted["fencing_token"], 2);
}

#[tokio::test]
async fn request_that_can_not_be_parsed_gets_a_problem_over_tls() {
    let authority = Authority::new();
    let server = server(&authority, &[]);
    let mut client = TlsClient::connect(server.url(), &Trust::new(&[&authority])).await;
    client.send(b"GET / HTTP/1.1\r\nx-request-id: mine-7\r\nbad header\r\n\r\n").await;
    let response = client.read_to_end().await.unwrap();
    assert!(
        response.starts_with("HTTP/1.1 400 ") && response.contains("\"request_id\":\"mine-7\""),
        "{response}"
    );
}

#[tokio::test]
async fn client_that_stalls_over_tls_is_disconnected() {
    let authority = Authority::new();
    let server = server(&authority, &["--keep-alive", "1s"]);
    let trust = Trust::new(&[&authority]);
    let api = Api::over_tls(server.url(), trust.config());
    // A page of more than the kernel buffers for a client that does not read.
    let metadata = json!({"text": "x".repeat(4000)});
    for index in 0..220 {
        let acquire = Acquire::exclusive().ttl(600_000).with("metadata", metadata.clone());
        api.lock(&format!("a/{index}"), &acquire).await;
    }
    let mut idle = TlsClient::connect(server.url(), &trust).await;
    idle.send(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let begun = now();
    assert!(idle.read_to_end().await.unwrap().starts_with("HTTP/1.1 200 "));
    let took = begun.elapsed().as_secs_f64();
    assert!((0.9..9.0).contains(&took), "an idle connection was closed after {took} s");

    let started = now();
    let mut reads_nothing = TlsClient::slow_reader(server.url(), &trust).await;
    for _ in 0..8 {
        reads_nothing.send(b"GET /v1/locks?limit=1000 HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    }
    // A head that never ends.
    let mut slow = TlsClient::connect(server.url(), &trust).await;
    slow.send(b"GET / HTTP/1.1\r\nx: ").await;
    release_test_lock();
    while slow.try_send(b"x").await.is_ok() {
        assert!(started.elapsed() < Duration::from_secs(60), "the head has no deadline");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let took = started.elapsed().as_secs_f64();
    assert!((9.0..20.0).contains(&took), "a slow head was accepted for {took} s");
    eventually("all are closed", || async {
        // Besides that of this request.
        api.get("/metrics").await.text.lines().any(|line| line == "dlm_connections 1")
    })
    .await;
    let took = started.elapsed().as_secs_f64();
    assert!((29.0..50.0).contains(&took), "a client that reads nothing lasted {took} s");
    drop(reads_nothing);
}
