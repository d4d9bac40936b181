//! WebSockets in the wire contract: upgrade, pings, silent peers, bookmarks,
//! drain.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;

use crate::harness::{
    Acquire, MachineDelay, ServerProcess, Sqlite, WebSocket, eventually, exclusive_test_lock, now,
    release_test_lock, spawn,
};

type TestServer = ServerProcess<Sqlite>;

const SOCKETS: [(&str, &str); 2] = [("/v1/session", "dlm.session.v1"), ("/v1/events", "dlm.events.v1")];

/// Upgrades without a WebSocket library, which would answer pings. Returns the
/// connection and the head of the response.
async fn upgrade(server: &TestServer, path: &str, protocol: &str) -> (TcpStream, String) {
    let host = server.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: {protocol}\r\nx-request-id: mine-7\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap().to_lowercase())
}

#[tokio::test]
async fn upgrade_response_has_the_request_id_and_the_subprotocol() {
    let server = TestServer::start();
    for (path, protocol) in SOCKETS {
        let (_, head) = upgrade(&server, path, protocol).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        for line in ["x-request-id: mine-7", &format!("sec-websocket-protocol: {protocol}")] {
            assert!(head.lines().any(|other| other == line), "{line} in {head}");
        }
        let refused = match WebSocket::try_open(server.url(), path, "dlm.other.v1").await {
            Ok(_) => panic!("{path} accepted an unknown subprotocol"),
            Err(Error::Http(response)) => response,
            Err(error) => panic!("{path}: {error}"),
        };
        assert_eq!(refused.status(), 400);
        let (_, head) = upgrade(&server, path, "dlm.other.v1").await;
        assert!(head.starts_with("http/1.1 400 ") && head.contains("x-request-id: mine-7"), "{head}");
    }
    let response = server.api().get("/v1/session").await;
    response.problem(426, "upgrade-required");
    assert_eq!(response.headers["upgrade"], "websocket");
}

#[tokio::test]
async fn close_frame_is_answered_with_one() {
    /// A masked frame; the mask is zero.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match u8::try_from(payload.len()) {
            Ok(len @ ..126) => frame.push(0x80 | len),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }
    let server = TestServer::start();
    for (path, protocol) in SOCKETS {
        for (what, sent, code) in [
            ("a close", frame(0x88, &1000_u16.to_be_bytes()), Some(1000)),
            ("a close with a code of the peer", frame(0x88, b"\x11\x5dbye"), Some(4445)),
            ("a close without a code", frame(0x88, &[]), None),
            ("an unmasked frame", vec![0x81, 1, b'x'], Some(1002)),
            ("an unknown opcode", frame(0x83, b"x"), Some(1002)),
            ("text that is not UTF-8", frame(0x81, b"\xff"), Some(1007)),
        ] {
            let (mut stream, _) = upgrade(&server, path, protocol).await;
            stream.write_all(&sent).await.unwrap();
            let mut received = Vec::new();
            let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut received)).await;
            read.expect("the server closes the connection").unwrap();
            let close = received.windows(2).rposition(|head| head[0] == 0x88);
            let close = close.unwrap_or_else(|| panic!("{path}: no close frame after {what}"));
            let payload = &received[close + 2..];
            let answered = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
            assert_eq!(answered, code, "{path}: {what}");
        }
    }
    // A subscriber has nothing to say that takes this long.
    let (mut stream, _) = upgrade(&server, "/v1/events", "dlm.events.v1").await;
    stream.write_all(&frame(0x81, &[b'x'; 5000])).await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    assert!(received.windows(2).any(|code| code == 1009_u16.to_be_bytes()), "{received:?}");
}

#[tokio::test]
async fn silent_peer_is_pinged_and_then_disconnected() {
    const PING: u8 = 0x89;
    let server = TestServer::start();
    let silent = SOCKETS.map(|(path, protocol)| {
        let server = &server;
        async move {
            let (mut stream, _) = upgrade(server, path, protocol).await;
            let opened = now();
            let mut received = Vec::new();
            let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut received)).await;
            read.expect("the server disconnects").unwrap();
            let took = opened.elapsed().as_secs_f64();
            assert!((9.5..19.5).contains(&took), "{path}: disconnected after {took} s");
            let pings = received.windows(2).filter(|frame| *frame == [PING, 0]).count();
            assert!((2..=4).contains(&pings), "{path}: {pings} pings in {took} s");
        }
    });
    // A peer that answers pings stays connected.
    let mut session = WebSocket::session(server.url()).await;
    let held = server.api().lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let acquire = json!({"resource": "a", "idempotency_key": "k", "wait_ms": 60_000});
    let id = session.send("acquire", acquire).await;
    let api = server.api();
    release_test_lock();
    let release = spawn(async move {
        // Longer than the liveness timeout.
        tokio::time::sleep(Duration::from_secs(16)).await;
        api.release("a", &held).await.ok()
    });
    let (granted, _) = tokio::join!(session.response(id), futures_util::future::join_all(silent));
    assert_eq!(granted["lease"]["fencing_token"], 2);
    release.await.unwrap();
}

#[tokio::test]
async fn bookmarks_arrive_every_ten_seconds_on_busy_and_quiet_streams() {
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let api = server.api();
    let mut busy = WebSocket::events(server.url(), "").await;
    let mut quiet = WebSocket::events(server.url(), "?prefix=quiet/").await;
    assert_eq!(busy.next().await["type"], "synced");
    assert_eq!(quiet.next().await["type"], "synced");
    release_test_lock();
    let bookmarks = async |stream: &mut WebSocket| {
        let mut events = 0;
        for _ in 0..2 {
            let started = now();
            let bookmark = loop {
                let message = stream.next().await;
                if message["type"] == "bookmark" {
                    break message;
                }
                events += 1;
            };
            delay.assert_within("a bookmark", started.elapsed(), Duration::from_millis(10_500));
            let cursor = bookmark["cursor"].as_str().unwrap();
            assert_eq!(api.get(&format!("/v1/events?after={cursor}")).await.status, 200);
        }
        events
    };
    let writing = {
        let api = api.clone();
        spawn(async move {
            loop {
                let lease = api.lock("a", &Acquire::exclusive()).await;
                api.release("a", &lease).await.ok();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    };
    let (busy_events, quiet_events) = tokio::join!(bookmarks(&mut busy), bookmarks(&mut quiet));
    writing.abort();
    assert!(busy_events > 50 && quiet_events == 0, "{busy_events} and {quiet_events} events");
}

#[tokio::test]
async fn server_drains_within_ten_seconds_despite_a_stuck_reader() {
    let _exclusive = exclusive_test_lock();
    let delay = MachineDelay::watch();
    let mut server = TestServer::start();
    let api = server.api();
    let start = api.get("/v1/events").await.ok()["cursor"].as_str().unwrap().to_owned();
    // More than the kernel buffers for a reader that is stuck.
    let owner = "o".repeat(256);
    let writers = (0..32).map(|writer| {
        let (api, owner) = (api.clone(), owner.clone());
        spawn(async move {
            let name = format!("{writer}/{}", "n".repeat(200));
            for _ in 0..200 {
                let lease = api.lock(&name, &Acquire::exclusive().with("owner", owner.clone())).await;
                api.release(&name, &lease).await.ok();
            }
        })
    });
    futures_util::future::join_all(writers).await;
    let mut other = WebSocket::events(server.url(), &format!("?after={start}")).await;
    for _ in 0..32 * 400 {
        assert_eq!(other.next_event().await["type"], "event");
    }
    // Not before: on a slow machine it would be evicted meanwhile.
    let stuck = WebSocket::slow_reader(server.url(), &format!("?after={start}")).await;
    eventually("both event sockets are open", || async {
        api.get("/metrics").await.text.contains("dlm_websocket_connections{protocol=\"events\"} 2\n")
    })
    .await;
    let started = now();
    let (status, _server) = tokio::task::spawn_blocking(move || (server.terminate(), server)).await.unwrap();
    assert!(status.success(), "{status}");
    delay.assert_within("the drain", started.elapsed(), Duration::from_secs(10));
    drop(stuck);
}
