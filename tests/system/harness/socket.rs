//! WebSockets as any program would speak them.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

fn request(host: &str, path: &str, protocol: &'static str) -> Result<Request, Error> {
    let mut request = format!("ws://{host}{path}").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
    Ok(request)
}

/// A WebSocket to a server.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    next_id: u64,
    /// What came before it was asked for.
    early: Vec<Value>,
}

impl Socket {
    pub(crate) async fn session(server: &str) -> Self {
        Self::open(server, "/v1/session", "dlm.session.v1").await
    }

    /// The event stream, with the query of the address.
    pub(crate) async fn events(server: &str, query: &str) -> Self {
        Self::open(server, &format!("/v1/events{query}"), "dlm.events.v1").await
    }

    async fn open(server: &str, path: &str, protocol: &'static str) -> Self {
        Self::try_open(server, path, protocol).await.expect("an upgrade")
    }

    pub(crate) async fn try_open(server: &str, path: &str, protocol: &'static str) -> Result<Self, Error> {
        let host = server.trim_start_matches("http://");
        let request = request(host, path, protocol)?;
        let connection = TcpStream::connect(host).await?;
        Self::over(connection, request, protocol).await
    }

    /// One of the event stream of which the kernel takes in little while nobody
    /// reads it.
    pub(crate) async fn slow_reader(server: &str, query: &str) -> Self {
        let host = server.trim_start_matches("http://");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let connection = socket.connect(host.parse().expect("an address")).await.expect("the server answers");
        let request = request(host, &format!("/v1/events{query}"), "dlm.events.v1").expect("a request");
        Self::over(connection, request, "dlm.events.v1").await.expect("an upgrade")
    }

    async fn over(connection: TcpStream, request: Request, protocol: &str) -> Result<Self, Error> {
        connection.set_nodelay(true)?;
        let (stream, answer) = tokio_tungstenite::client_async(request, connection).await?;
        assert_eq!(answer.headers()["sec-websocket-protocol"], protocol);
        Ok(Self { stream, next_id: 0, early: Vec::new() })
    }

    pub(crate) async fn send_text(&mut self, text: impl Into<String>) {
        self.stream.send(Message::text(text.into())).await.expect("the socket takes it");
    }

    /// Sends an operation; returns its id.
    pub(crate) async fn send(&mut self, op: &str, mut fields: Value) -> u64 {
        self.next_id += 1;
        fields["id"] = json!(self.next_id);
        fields["op"] = json!(op);
        self.send_text(fields.to_string()).await;
        self.next_id
    }

    /// Writes an operation that is sent with others; returns its id.
    pub(crate) async fn queue(&mut self, op: &str, mut fields: Value) -> u64 {
        self.next_id += 1;
        fields["id"] = json!(self.next_id);
        fields["op"] = json!(op);
        self.stream.feed(Message::text(fields.to_string())).await.expect("the socket takes it");
        self.next_id
    }

    pub(crate) async fn flush(&mut self) {
        self.stream.flush().await.expect("the socket takes it");
    }

    /// The next message; `Err` with the code when the server closes.
    pub(crate) async fn try_next(&mut self) -> Result<Value, u16> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(30), self.stream.next());
            match next.await.expect("a message in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| u16::from(frame.code)));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        self.try_next().await.expect("no close")
    }

    /// The next message of the event stream that is no bookmark.
    pub(crate) async fn next_event(&mut self) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] != "bookmark" {
                return message;
            }
        }
    }

    /// Does one operation and waits for its answer.
    pub(crate) async fn ask(&mut self, op: &str, fields: Value) -> Value {
        let id = self.send(op, fields).await;
        self.answer(id).await
    }

    /// The same where the connection may break; there must be nothing else on it.
    pub(crate) async fn try_ask(&mut self, op: &str, mut fields: Value) -> Result<Value, u16> {
        self.next_id += 1;
        fields["id"] = json!(self.next_id);
        fields["op"] = json!(op);
        self.stream.send(Message::text(fields.to_string())).await.map_err(|_| 1006_u16)?;
        loop {
            let message = self.try_next().await?;
            if message["id"] == self.next_id {
                return Ok(message);
            }
        }
    }

    /// The answer to an operation, in whatever order answers come.
    pub(crate) async fn answer(&mut self, id: u64) -> Value {
        if let Some(index) = self.early.iter().position(|message| message["id"] == id) {
            return self.early.remove(index);
        }
        loop {
            let message = self.next().await;
            if message.get("queued").is_some() {
                continue;
            }
            if message["id"] == id {
                return message;
            }
            self.early.push(message);
        }
    }

    /// The next word of a lease that has ended.
    pub(crate) async fn next_ended(&mut self) -> Value {
        let ended = |message: &Value| message.get("lease_ended").is_some();
        if let Some(index) = self.early.iter().position(ended) {
            return self.early.remove(index);
        }
        let message = self.next().await;
        assert!(ended(&message), "{message}");
        message
    }

    /// Waits for the server to close.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.try_next().await {
                return code;
            }
        }
    }
}
