//! A plain WebSocket client for sessions and the event stream, without the
//! client library.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::tls_client::{TlsClient, Trust};

fn request(host: &str, path: &str, protocol: &'static str) -> Result<Request, Error> {
    let mut request = format!("ws://{host}{path}").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
    Ok(request)
}

async fn connect(host: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What carries a WebSocket: TCP, or TLS over it.
trait Carrier: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Carrier for S {}

/// A WebSocket connection to a server.
pub(crate) struct WebSocket {
    stream: WebSocketStream<Box<dyn Carrier>>,
    next_id: u64,
    /// Messages received while waiting for another one.
    unmatched: Vec<Value>,
}

impl WebSocket {
    pub(crate) async fn session(server: &str) -> Self {
        Self::open(server, "/v1/session", "dlm.session.v1").await
    }

    /// Opens the event stream with this query string.
    pub(crate) async fn events(server: &str, query: &str) -> Self {
        Self::open(server, &format!("/v1/events{query}"), "dlm.events.v1").await
    }

    async fn open(server: &str, path: &str, protocol: &'static str) -> Self {
        Self::try_open(server, path, protocol).await.expect("an upgrade")
    }

    pub(crate) async fn try_open(server: &str, path: &str, protocol: &'static str) -> Result<Self, Error> {
        let host = server.trim_start_matches("http://");
        let request = request(host, path, protocol)?;
        let connection = connect(host).await?;
        Self::over(connection, request, protocol).await
    }

    /// Opens a socket with a bearer token.
    pub(crate) async fn with_token(
        server: &str,
        path: &str,
        protocol: &'static str,
        token: &str,
    ) -> Result<Self, Error> {
        let host = server.trim_start_matches("http://");
        let mut request = request(host, path, protocol)?;
        let value = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
        request.headers_mut().insert("authorization", value);
        Self::over(connect(host).await?, request, protocol).await
    }

    /// Opens a socket with a ticket, and with a bearer token if there is one.
    pub(crate) async fn with_ticket(
        server: &str,
        path: &str,
        protocol: &'static str,
        ticket: &str,
        token: Option<&str>,
    ) -> Result<Self, Error> {
        let host = server.trim_start_matches("http://");
        let mut request = request(host, path, protocol)?;
        let offers = HeaderValue::try_from(format!("{protocol}, dlm.ticket.{ticket}")).expect("a header");
        request.headers_mut().insert("sec-websocket-protocol", offers);
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
            request.headers_mut().insert("authorization", value);
        }
        Self::over(connect(host).await?, request, protocol).await
    }

    /// Opens the event stream with a small receive buffer, so that the server is
    /// soon blocked while the test does not read.
    pub(crate) async fn slow_reader(server: &str, query: &str) -> Self {
        Self::with_small_buffer(server, &format!("/v1/events{query}"), "dlm.events.v1").await
    }

    /// Opens a session with a small receive buffer.
    pub(crate) async fn slow_session(server: &str) -> Self {
        Self::with_small_buffer(server, "/v1/session", "dlm.session.v1").await
    }

    async fn with_small_buffer(server: &str, path: &str, protocol: &'static str) -> Self {
        let host = server.trim_start_matches("http://");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let connection = socket.connect(host.parse().expect("an address")).await.expect("the server accepts");
        connection.set_nodelay(true).expect("an option");
        let request = request(host, path, protocol).expect("a request");
        Self::over(connection, request, protocol).await.expect("an upgrade")
    }

    /// Opens a socket over TLS. `protocols` are the subprotocols that it offers, of which
    /// the server has to choose the first.
    pub(crate) async fn over_tls(
        server: &str,
        trust: &Trust,
        path: &str,
        protocols: &[&str],
        token: Option<&str>,
    ) -> Result<Self, Error> {
        let host = server.trim_start_matches("https://");
        let mut request = format!("ws://{host}{path}").into_client_request()?;
        let offers = HeaderValue::try_from(protocols.join(", ")).expect("a header");
        request.headers_mut().insert("sec-websocket-protocol", offers);
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
            request.headers_mut().insert("authorization", value);
        }
        let connection = TlsClient::try_connect(server, trust).await?.into_stream();
        Self::over(connection, request, protocols[0]).await
    }

    async fn over(
        connection: impl Carrier + 'static,
        request: Request,
        protocol: &str,
    ) -> Result<Self, Error> {
        let connection: Box<dyn Carrier> = Box::new(connection);
        let (stream, response) = tokio_tungstenite::client_async(request, connection).await?;
        assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
        Ok(Self { stream, next_id: 0, unmatched: Vec::new() })
    }

    pub(crate) async fn send_text(&mut self, text: impl Into<String>) {
        self.stream.send(Message::text(text.into())).await.expect("the message is sent");
    }

    /// Sends an operation; returns its id.
    pub(crate) async fn send(&mut self, op: &str, mut fields: Value) -> u64 {
        self.next_id += 1;
        fields["id"] = json!(self.next_id);
        fields["op"] = json!(op);
        self.send_text(fields.to_string()).await;
        self.next_id
    }

    /// Buffers an operation until `flush`; returns its id.
    pub(crate) async fn send_buffered(&mut self, op: &str, mut fields: Value) -> u64 {
        self.next_id += 1;
        fields["id"] = json!(self.next_id);
        fields["op"] = json!(op);
        self.stream.feed(Message::text(fields.to_string())).await.expect("the message is sent");
        self.next_id
    }

    /// Like `send_buffered`, and receives what arrives meanwhile. A peer that has much to
    /// send may not read before that.
    pub(crate) async fn send_and_receive(&mut self, op: &str, mut fields: Value, received: &mut Vec<Value>) {
        self.next_id += 1;
        fields["id"] = json!(self.next_id);
        fields["op"] = json!(op);
        self.send_text_and_receive(&fields.to_string(), received).await;
    }

    pub(crate) async fn send_text_and_receive(&mut self, text: &str, received: &mut Vec<Value>) {
        poll_fn(|context| {
            self.receive_arrived(context, received);
            self.stream.poll_ready_unpin(context)
        })
        .await
        .expect("the message is sent");
        self.stream.start_send_unpin(Message::text(text)).expect("the message is sent");
    }

    /// Like `flush`, and receives what arrives meanwhile.
    pub(crate) async fn flush_and_receive(&mut self, received: &mut Vec<Value>) {
        poll_fn(|context| {
            self.receive_arrived(context, received);
            self.stream.poll_flush_unpin(context)
        })
        .await
        .expect("the message is sent");
    }

    fn receive_arrived(&mut self, context: &mut Context<'_>, received: &mut Vec<Value>) {
        while let Poll::Ready(message) = self.stream.poll_next_unpin(context) {
            match message.expect("the socket stays open").expect("a message") {
                Message::Text(text) => received.push(serde_json::from_str(&text).expect("JSON")),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    pub(crate) async fn flush(&mut self) {
        self.stream.flush().await.expect("the message is sent");
    }

    /// The next message, or the close code as an error.
    pub(crate) async fn try_next(&mut self) -> Result<Value, u16> {
        self.try_next_text().await.map(|text| serde_json::from_str(&text).expect("JSON"))
    }

    async fn try_next_text(&mut self) -> Result<Utf8Bytes, u16> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(60), self.stream.next());
            match next.await.expect("a message in time") {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| u16::from(frame.code)));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        self.try_next().await.expect("the socket stays open")
    }

    /// The next message of the event stream that is not a bookmark.
    pub(crate) async fn next_event(&mut self) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] != "bookmark" {
                return message;
            }
        }
    }

    /// What is in the next message of an event stream in batches, without bookmarks.
    pub(crate) async fn next_lines(&mut self) -> Vec<Value> {
        loop {
            let text = self.try_next_text().await.expect("the socket stays open");
            let mut lines: Vec<Value> =
                text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            lines.retain(|message| message["type"] != "bookmark");
            if !lines.is_empty() {
                return lines;
            }
        }
    }

    /// Sends an operation and waits for its response.
    pub(crate) async fn request(&mut self, op: &str, fields: Value) -> Value {
        let id = self.send(op, fields).await;
        self.response(id).await
    }

    /// Like `request`, but fails with a close code if the connection breaks. No
    /// other operation may be pending.
    pub(crate) async fn try_request(&mut self, op: &str, mut fields: Value) -> Result<Value, u16> {
        self.next_id += 1;
        fields["id"] = json!(self.next_id);
        fields["op"] = json!(op);
        self.stream.send(Message::text(fields.to_string())).await.map_err(|_| 1006_u16)?;
        loop {
            let message = self.try_next().await?;
            if message["id"] == self.next_id && message.get("queued").is_none() {
                return Ok(message);
            }
        }
    }

    /// The response to an operation; responses come in any order.
    pub(crate) async fn response(&mut self, id: u64) -> Value {
        if let Some(index) = self.unmatched.iter().position(|message| message["id"] == id) {
            return self.unmatched.remove(index);
        }
        loop {
            let message = self.next().await;
            if message.get("queued").is_some() {
                continue;
            }
            if message["id"] == id {
                return message;
            }
            self.unmatched.push(message);
        }
    }

    /// The next `lease_ended` message.
    pub(crate) async fn next_lease_ended(&mut self) -> Value {
        let ended = |message: &Value| message.get("lease_ended").is_some();
        if let Some(index) = self.unmatched.iter().position(ended) {
            return self.unmatched.remove(index);
        }
        loop {
            let message = self.next().await;
            if message.get("queued").is_none() {
                assert!(ended(&message), "{message}");
                return message;
            }
        }
    }

    /// The next message of a session with the place of a waiter: its id, position and the
    /// length of the queue.
    pub(crate) async fn next_place(&mut self) -> (u64, u64, u64) {
        loop {
            let message = self.next().await;
            let number = |value: &Value| value.as_u64().expect("a number");
            match message.get("queued") {
                Some(queued) => {
                    return (
                        number(&message["id"]),
                        number(&queued["position"]),
                        number(&queued["queue_len"]),
                    );
                }
                None => self.unmatched.push(message),
            }
        }
    }

    /// Waits for the server to close the socket; returns the close code.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Err(code) = self.try_next().await {
                return code;
            }
        }
    }
}
