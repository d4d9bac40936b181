//! WebSockets as any program would speak them.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// A WebSocket to a server.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    next_id: u64,
    /// Answers that came before they were asked for.
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

    pub(crate) async fn try_open(
        server: &str,
        path: &str,
        protocol: &'static str,
    ) -> Result<Self, tokio_tungstenite::tungstenite::Error> {
        let host = server.trim_start_matches("http://");
        let mut request = format!("ws://{host}{path}").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
        let connection = TcpStream::connect(host).await.map_err(tokio_tungstenite::tungstenite::Error::Io)?;
        connection.set_nodelay(true).map_err(tokio_tungstenite::tungstenite::Error::Io)?;
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

    /// The answer to an operation, in whatever order answers come.
    pub(crate) async fn answer(&mut self, id: u64) -> Value {
        if let Some(index) = self.early.iter().position(|message| message["id"] == id) {
            return self.early.swap_remove(index);
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

    /// Waits for the server to close.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.try_next().await {
                return code;
            }
        }
    }
}
