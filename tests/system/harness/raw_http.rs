//! HTTP clients without a library: they hang up when and how a test says.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::api::{Acquire, path};

/// How a client hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HangUp {
    /// Closes the connection; the server receives the end of the stream.
    Close,
    /// Resets the connection.
    Reset,
}

/// An acquire over HTTP/1.1.
pub(crate) fn acquire_request(host: &str, name: &str, acquire: &Acquire) -> String {
    let body = acquire.body.to_string();
    let key = acquire.key.as_ref().map_or(String::new(), |key| format!("idempotency-key: {key}\r\n"));
    format!(
        "POST {} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{key}content-length: {}\r\n\r\n{body}",
        path(name, "/acquire"),
        body.len()
    )
}

/// One connection that speaks HTTP/1.1.
pub(crate) struct RawClient {
    stream: TcpStream,
    host: String,
}

impl RawClient {
    pub(crate) async fn connect(url: &str) -> Self {
        let host = url.trim_start_matches("http://").to_owned();
        Self { stream: TcpStream::connect(&host).await.expect("the server accepts"), host }
    }

    /// Sends an acquire and, in the same segment, more bytes.
    pub(crate) async fn acquire(&mut self, name: &str, acquire: &Acquire, more: &str) {
        let request = acquire_request(&self.host, name, acquire) + more;
        self.stream.write_all(request.as_bytes()).await.expect("the request is sent");
    }

    /// Closes the sending direction and reads what the server still sends.
    /// Returns the status and the body of the first response.
    pub(crate) async fn half_close(mut self) -> (u16, Value) {
        self.stream.shutdown().await.expect("the sending direction is closed");
        let mut response = String::new();
        let read = self.stream.read_to_string(&mut response);
        tokio::time::timeout(Duration::from_secs(20), read)
            .await
            .expect("the server closes the connection")
            .expect("text");
        let (head, body) =
            response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {response:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let body = serde_json::Deserializer::from_str(body).into_iter().next().expect("a body");
        (status, body.expect("JSON"))
    }

    pub(crate) fn hang_up(self, how: HangUp) {
        if how == HangUp::Reset {
            self.stream.set_zero_linger().expect("the next close is a reset");
        }
    }
}

/// One connection that speaks HTTP/2 and sends one request.
pub(crate) struct RawHttp2 {
    stream: TcpStream,
    host: String,
}

impl RawHttp2 {
    pub(crate) async fn connect(url: &str) -> Self {
        let host = url.trim_start_matches("http://").to_owned();
        Self::with_settings(host, &[]).await
    }

    /// A client that gives responses no window.
    pub(crate) async fn without_window(url: &str) -> Self {
        let host = url.trim_start_matches("http://").to_owned();
        // SETTINGS_INITIAL_WINDOW_SIZE = 0
        Self::with_settings(host, &[0, 4, 0, 0, 0, 0]).await
    }

    async fn with_settings(host: String, settings: &[u8]) -> Self {
        let mut stream = TcpStream::connect(&host).await.expect("the server accepts");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("the preface is sent");
        let mut client = Self { stream, host };
        client.frame(4, 0, 0, settings).await;
        client
    }

    pub(crate) async fn get(&mut self, path: &str) {
        self.request("GET", path).await;
    }

    /// Sends a request without a body.
    pub(crate) async fn request(&mut self, method: &str, path: &str) {
        let host = self.host.clone();
        let headers = [(":method", method), (":scheme", "http"), (":path", path), (":authority", &host)];
        self.headers(&headers, 5).await;
    }

    /// Reads until the server closes the connection.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        let read = self.stream.read_to_end(&mut received);
        tokio::time::timeout(Duration::from_secs(60), read).await.expect("the server closes").ok();
        received
    }

    /// The payload of a response: its frames of data, up to the end of the stream.
    pub(crate) async fn response_data(&mut self) -> Vec<u8> {
        let (mut head, mut data) = ([0; 9], Vec::new());
        loop {
            self.stream.read_exact(&mut head).await.expect("a frame");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await.expect("a frame");
            let (kind, flags) = (head[3], head[4]);
            if kind == 0 {
                data.extend(payload);
            }
            // HEADERS and DATA may end the stream.
            if kind <= 1 && flags & 1 == 1 {
                return data;
            }
        }
    }

    /// Answers pings until the server closes the connection.
    pub(crate) async fn answer_pings_to_the_end(&mut self) {
        let mut head = [0; 9];
        while self.stream.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if self.stream.read_exact(&mut payload).await.is_err() {
                return;
            }
            if head[3] == 6 && head[4] & 1 == 0 {
                self.frame(6, 1, 0, &payload).await;
            }
        }
    }

    pub(crate) async fn acquire(&mut self, name: &str, acquire: &Acquire) {
        let (path, host) = (path(name, "/acquire"), self.host.clone());
        let mut headers = vec![
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path.as_str()),
            (":authority", host.as_str()),
            ("content-type", "application/json"),
        ];
        headers.extend(acquire.key.as_deref().map(|key| ("idempotency-key", key)));
        self.headers(&headers, 4).await;
        let body = acquire.body.to_string();
        self.frame(0, 1, 1, body.as_bytes()).await;
    }

    /// Sends an acquire whose body is one empty frame.
    pub(crate) async fn acquire_with_empty_data(&mut self, name: &str) {
        let (path, host) = (path(name, "/acquire"), self.host.clone());
        let headers =
            [(":method", "POST"), (":scheme", "http"), (":path", path.as_str()), (":authority", &host)];
        self.headers(&headers, 4).await;
        self.frame(0, 1, 1, &[]).await;
    }

    /// Resets the stream of the request, and keeps the connection.
    pub(crate) async fn reset_stream(&mut self) {
        self.frame(3, 0, 1, &8_u32.to_be_bytes()).await;
    }

    async fn headers(&mut self, headers: &[(&str, &str)], flags: u8) {
        let mut block = Vec::new();
        for (name, value) in headers {
            // A literal without indexing; lengths below 127 are one byte.
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).expect("a short header"));
                block.extend_from_slice(text.as_bytes());
            }
        }
        self.frame(1, flags, 1, &block).await;
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).await.expect("the frame is sent");
    }

    pub(crate) fn hang_up(self, how: HangUp) {
        if how == HangUp::Reset {
            self.stream.set_zero_linger().expect("the next close is a reset");
        }
    }
}
