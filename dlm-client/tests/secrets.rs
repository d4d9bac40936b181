//! No token is in what a program logs, on any thread and at any level, however the server
//! replies. In a process of its own, because the loggers of a process are global.
#![expect(clippy::disallowed_methods, reason = "the test spawns as a user of the client would")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_client::{BearerToken, Client, TransportKind};
use futures_util::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const TOKEN: &str = "s3cret-token-of-the-test";

/// Everything that was logged, through `tracing` and through `log`.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<String>>);

impl Captured {
    fn write(&self, text: &dyn Debug) {
        let _ = writeln!(self.0.lock().unwrap(), "{text:?}");
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Visit for &Captured {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        self.write(&value);
    }
}

impl Subscriber for Captured {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut &*self);
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut &*self);
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut &*self);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl log::Log for Captured {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        self.write(&format_args!("{} {}", record.target(), record.args()));
    }
    fn flush(&self) {}
}

/// Is ready, and opens or refuses sockets. Everything else is refused with a status.
async fn serve(listener: TcpListener, opens_sockets: bool, status: u16) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_connection(BufReader::new(stream), opens_sockets, status));
    }
}

async fn serve_connection(mut stream: BufReader<TcpStream>, opens_sockets: bool, status: u16) {
    loop {
        let (mut head, mut key) = (String::new(), None);
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line).await {
                Ok(1..) if line != "\r\n" => {}
                Ok(1..) => break,
                _ => return,
            }
            key = line.strip_prefix("sec-websocket-key: ").map(|key| key.trim().to_owned()).or(key);
            head.push_str(&line);
        }
        let protocol = if head.contains("dlm.events") { "dlm.events.v1" } else { "dlm.session.v1" };
        let reply = match key {
            _ if head.contains("/readyz") => "HTTP/1.1 200 x\r\ncontent-length: 0\r\n\r\n".to_owned(),
            Some(key) if opens_sockets => format!(
                "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {}\r\n\
                 sec-websocket-protocol: {protocol}\r\n\r\n",
                derive_accept_key(key.as_bytes())
            ),
            _ => format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        };
        if stream.write_all(reply.as_bytes()).await.is_err() || reply.contains("close") {
            return;
        }
        if reply.contains(" 101 ") {
            let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
            // Ends the socket at the first operation.
            socket.next().await;
            return;
        }
    }
}

#[tokio::test]
async fn token_is_in_no_log_line() {
    let captured = Captured::default();
    tracing::subscriber::set_global_default(captured.clone()).unwrap();
    log::set_logger(Box::leak(Box::new(captured.clone()))).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    for (opens_sockets, status) in [(true, 401), (false, 401), (false, 403), (false, 503), (false, 307)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(listener, opens_sockets, status));
        for kind in [TransportKind::Http, TransportKind::Auto] {
            let builder = Client::builder().address(&url).transport(kind);
            let builder = builder.token_provider(|| async { BearerToken::new(TOKEN) }).header("X-Key", TOKEN);
            let client = builder.request_timeout(Duration::from_millis(300)).connect().await.unwrap();
            let error = client.try_lock("a").await.unwrap_err();
            assert!(!format!("{error:?} {error:#}").contains(TOKEN), "{error:?}");
            let _ = tokio::time::timeout(Duration::from_millis(100), client.events().next()).await;
            client.whoami().await.unwrap_err();
            let _ = client.close(Duration::from_millis(100)).await;
        }
        server.abort();
    }
    let text = captured.text();
    assert!(text.contains("token provided") && text.contains("session"), "the client's log is captured");
    assert!(text.contains("reqwest"), "those of its libraries are too: {text}");
    let line = text.lines().find(|line| line.contains(TOKEN));
    assert_eq!(line, None);
}
