//! Peers that send slowly or ambiguously, over plain HTTP and TLS.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{TestServer, three_principals};
use crate::harness::{AuthFile, Authority, TlsClient, Trust, now};

/// A connection of either kind.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A server with one address for plain HTTP and one for TLS.
struct Fixture {
    server: TestServer,
    plain_url: String,
    authority: Authority,
    _file: AuthFile,
}

impl Fixture {
    fn start() -> Self {
        let (file, authority) = (AuthFile::new(&three_principals()), Authority::new());
        let identity = authority.issue("server", "IP:127.0.0.1");
        // The harness listens on the first address itself, with TLS.
        let plain = ["--auth-file", &file.path(), "--listen", "http://127.0.0.1:0"];
        let server = TestServer::start_with(&[&identity.arguments(), &plain[..]].concat());
        let next = server.next_line().trim_start_matches("listening on ").to_owned();
        assert!(server.url().starts_with("https:") && next.starts_with("http:"), "{next}");
        Self { plain_url: next, server, authority, _file: file }
    }

    /// A connection of each kind.
    async fn connect(&self) -> [Box<dyn Stream>; 2] {
        let plain = TcpStream::connect(self.plain_url.trim_start_matches("http://")).await.unwrap();
        let tls = TlsClient::connect(self.server.url(), &Trust::new(&[&self.authority])).await;
        [Box::new(plain), Box::new(tls.into_stream())]
    }
}

async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut received = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut received)).await;
    // A peer that still sends can be reset.
    read.expect("the server closes the connection").ok();
    String::from_utf8(received).unwrap()
}

/// Sends bytes, and then one more byte again and again. Returns the response, and how long
/// the connection was open, in seconds.
async fn drip(mut stream: Box<dyn Stream>, begin: String, more: Option<u8>) -> (String, f64) {
    let begun = now();
    stream.write_all(begin.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let (mut reading, mut writing) = tokio::io::split(stream);
    let dripping = async {
        let Some(byte) = more else { return std::future::pending().await };
        loop {
            if writing.write_all(&[byte]).await.is_err() || writing.flush().await.is_err() {
                // What was received before the connection ended can still be read.
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        response = read_to_end(&mut reading) => (response, begun.elapsed().as_secs_f64()),
        () = dripping => unreachable!("it never ends"),
    }
}

#[tokio::test]
async fn peers_that_are_silent_or_drip_are_disconnected() {
    let fixture = Fixture::start();
    let post = |token: &str| {
        format!(
            "POST /v1/locks/orders%2F1/acquire HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60000\r\n\
             content-type: application/json\r\n{token}\r\n{{"
        )
    };
    let with_token = post("authorization: Bearer api-token\r\n");
    let cases = [
        ("a silent connection", String::new(), None, "", 9.0),
        ("half a head", "GET /v1/locks HTTP/1.1\r\nhost: loc".into(), None, "", 9.0),
        ("a head that drips", "GET /v1/locks HTTP/1.1\r\nx: ".into(), Some(b'x'), "", 9.0),
        ("half a body", with_token.clone(), None, "HTTP/1.1 408 ", 9.0),
        ("a body that drips", with_token, Some(b' '), "HTTP/1.1 408 ", 9.0),
        ("a body without a credential", post(""), Some(b' '), "HTTP/1.1 401 ", 0.9),
    ];
    let mut running = Vec::new();
    for (what, begin, more, response, at_least) in cases {
        for stream in fixture.connect().await {
            let dripping = drip(stream, begin.clone(), more);
            running.push(async move { (what, response, at_least, dripping.await) });
        }
    }
    for (what, response, at_least, (received, took)) in join_all(running).await {
        assert!(received.starts_with(response), "{what}: {received}");
        assert_eq!(received.is_empty(), response.is_empty(), "{what}: {received}");
        assert!((at_least..40.0).contains(&took), "{what} lasted {took} s");
    }
}

#[tokio::test]
async fn request_whose_length_is_ambiguous_is_refused_or_the_last_one() {
    let fixture = Fixture::start();
    let post = |version: &str, headers: &str, body: &str| {
        format!(
            "POST /v1/renew HTTP/{version}\r\nhost: localhost\r\nauthorization: Bearer api-token\r\n\
             content-type: application/json\r\n{headers}\r\n{body}"
        )
    };
    // A request that the first one hides by another length. It is never served.
    let hidden = "GET /v1/whoami HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let chunked = format!("d\r\n{{\"leases\":[]}}\r\n0\r\n\r\n{hidden}");
    let length = chunked.len();
    for (headers, version, statuses) in [
        (format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"), "1.1", &[200][..]),
        (format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"), "1.1", &[200]),
        ("transfer-encoding: chunked\r\n".to_owned(), "1.0", &[400]),
        ("transfer-encoding: chunked, identity\r\n".to_owned(), "1.1", &[400]),
        ("transfer-encoding: xchunked\r\n".to_owned(), "1.1", &[400]),
        (format!("content-length: 2\r\ncontent-length: {length}\r\n"), "1.1", &[400]),
        (format!("content-length: 2, {length}\r\n"), "1.1", &[400]),
        (format!("content-length: +{length}\r\n"), "1.1", &[400]),
        ("content-length: -1\r\n".to_owned(), "1.1", &[400]),
        ("content-length: 99999999999999999999\r\n".to_owned(), "1.1", &[400]),
        ("content-length : 2\r\n".to_owned(), "1.1", &[400]),
        (" content-length: 2\r\n".to_owned(), "1.1", &[400]),
    ] {
        for mut stream in fixture.connect().await {
            stream.write_all(post(version, &headers, &chunked).as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let received = read_to_end(&mut stream).await;
            let found = received.split("HTTP/1.").skip(1).map(|response| response[2..5].parse().unwrap());
            assert_eq!(found.collect::<Vec<u16>>(), statuses, "{headers:?}: {received}");
        }
    }
}
