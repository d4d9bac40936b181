//! The sockets' side of the contract: the upgrade, pings, silence, bookmarks, and
//! the end.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;

use crate::harness::{Acquire, Server, Socket, Sqlite, alone, eventually, now, spawn};

type TestServer = Server<Sqlite>;

const SOCKETS: [(&str, &str); 2] = [("/v1/session", "dlm.session.v1"), ("/v1/events", "dlm.events.v1")];

/// Upgrades without a WebSocket library, which would answer pings. Gives the
/// connection and the head of the answer.
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
async fn an_upgrade_is_answered_like_any_request() {
    let server = TestServer::start();
    for (path, protocol) in SOCKETS {
        let (_, head) = upgrade(&server, path, protocol).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        for line in ["x-request-id: mine-7", &format!("sec-websocket-protocol: {protocol}")] {
            assert!(head.lines().any(|other| other == line), "{line} in {head}");
        }
        let refused = match Socket::try_open(server.url(), path, "dlm.other.v1").await {
            Ok(_) => panic!("{path} speaks what it does not know"),
            Err(Error::Http(answer)) => answer,
            Err(error) => panic!("{path}: {error}"),
        };
        assert_eq!(refused.status(), 400);
        let (_, head) = upgrade(&server, path, "dlm.other.v1").await;
        assert!(head.starts_with("http/1.1 400 ") && head.contains("x-request-id: mine-7"), "{head}");
    }
    let answer = server.api().get("/v1/session").await;
    answer.problem(426, "upgrade-required");
    assert_eq!(answer.headers["upgrade"], "websocket");
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_then_left() {
    const PING: u8 = 0x89;
    let _alone = alone();
    let server = TestServer::start();
    let silent = SOCKETS.map(|(path, protocol)| {
        let server = &server;
        async move {
            let (mut stream, _) = upgrade(server, path, protocol).await;
            let opened = now();
            let mut received = Vec::new();
            let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut received)).await;
            read.expect("the server leaves").unwrap();
            let took = opened.elapsed().as_secs_f64();
            assert!((9.5..15.5).contains(&took), "{path}: it was left after {took} s");
            let pings = received.windows(2).filter(|frame| *frame == [PING, 0]).count();
            assert!((2..=3).contains(&pings), "{path}: {pings} pings in {took} s");
        }
    });
    futures_util::future::join_all(silent).await;
    // One that answers pings is not left.
    let mut session = Socket::session(server.url()).await;
    let held = server.api().lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let acquire = json!({"resource": "a", "idempotency_key": "k", "wait_ms": 60_000});
    let asked = session.send("acquire", acquire).await;
    let api = server.api();
    let release = spawn(async move {
        // Longer than silence is borne.
        tokio::time::sleep(Duration::from_secs(16)).await;
        api.release("a", &held).await.ok()
    });
    assert_eq!(session.answer(asked).await["lease"]["fencing_token"], 2);
    release.await.unwrap();
}

#[tokio::test]
async fn bookmarks_come_every_ten_seconds_whether_anything_happens_or_not() {
    let _alone = alone();
    let server = TestServer::start();
    let api = server.api();
    let mut busy = Socket::events(server.url(), "").await;
    let mut quiet = Socket::events(server.url(), "?prefix=quiet/").await;
    assert_eq!(busy.next().await["type"], "synced");
    assert_eq!(quiet.next().await["type"], "synced");
    let bookmarks = async |stream: &mut Socket| {
        let mut events = 0;
        for _ in 0..2 {
            let since = now();
            let bookmark = loop {
                let message = stream.next().await;
                if message["type"] == "bookmark" {
                    break message;
                }
                events += 1;
            };
            let took = since.elapsed();
            assert!(took < Duration::from_millis(10_500), "{took:?} without a bookmark");
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
    let (of_busy, of_quiet) = tokio::join!(bookmarks(&mut busy), bookmarks(&mut quiet));
    writing.abort();
    assert!(of_busy > 50 && of_quiet == 0, "{of_busy} events, and {of_quiet}");
}

#[tokio::test]
async fn a_server_drains_within_ten_seconds_though_a_reader_is_stuck() {
    let _alone = alone();
    let mut server = TestServer::start();
    let api = server.api();
    let start = api.get("/v1/events").await.ok()["cursor"].as_str().unwrap().to_owned();
    // More than kernels take in, for one that reads nothing.
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
    let stuck = Socket::slow_reader(server.url(), &format!("?after={start}")).await;
    let mut other = Socket::events(server.url(), &format!("?after={start}")).await;
    for _ in 0..32 * 400 {
        assert_eq!(other.next_event().await["type"], "event");
    }
    eventually("it is still there", || async {
        api.get("/metrics").await.text.contains("dlm_sockets{kind=\"Events\"} 2\n")
    })
    .await;
    let ending = now();
    let (status, _server) = tokio::task::spawn_blocking(move || (server.terminate(), server)).await.unwrap();
    let took = ending.elapsed();
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
    drop(stuck);
}
