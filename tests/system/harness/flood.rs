//! A principal that sends all it can.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::{new_key, now, spawn};

/// Time between two bursts.
const TICK: Duration = Duration::from_millis(10);
/// How many locks below `flood/` are used.
pub(crate) const LOCKS: usize = 50;

/// Requests at a fixed rate over one session: acquires of locks in use that do not wait,
/// each with a key of its own, and checks.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    sent: JoinHandle<u64>,
    reading: JoinHandle<()>,
}

impl Flood {
    /// Sends so many requests per second on locks below `flood/`.
    pub(crate) async fn start(server: &str, token: &str, per_second: usize) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (mut sender, reading) = session(server, token, Arc::clone(&answered)).await;
        let stopped = Arc::clone(&stop);
        let sent = spawn(async move {
            let (began, mut sent) = (now(), 0_u64);
            while !stopped.load(Ordering::Relaxed) {
                let due = (began.elapsed().as_secs_f64() * per_second as f64) as u64;
                while sent < due {
                    sent += 1;
                    let resource = format!("flood/{}", sent as usize % LOCKS);
                    let frame = match sent % 2 {
                        0 => json!({"id": sent, "op": "check", "resource": resource, "fencing_token": 1}),
                        _ => {
                            json!({"id": sent, "op": "acquire", "resource": resource, "idempotency_key": new_key()})
                        }
                    };
                    if sender.feed(Message::text(frame.to_string())).await.is_err() {
                        return sent;
                    }
                }
                if sender.flush().await.is_err() {
                    return sent;
                }
                tokio::time::sleep(TICK).await;
            }
            sent
        });
        Self { stop, answered, sent, reading }
    }

    /// How many requests were answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Stops, and returns how many requests were sent.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sent.await.expect("the flood ends");
        self.reading.abort();
        sent
    }
}

/// The waiters of one session, which stays open until this is dropped.
pub(crate) struct Crowd {
    sender: Sender,
    reading: JoinHandle<()>,
}

impl Crowd {
    pub(crate) async fn open(server: &str, token: &str) -> Self {
        let (sender, reading) = session(server, token, Arc::default()).await;
        Self { sender, reading }
    }

    /// Sends acquires that wait, with these numbers, on locks below `flood/`.
    pub(crate) async fn enqueue(&mut self, numbers: Range<usize>) {
        for id in numbers {
            let acquire = json!({
                "id": id, "op": "acquire", "resource": format!("flood/{}", id % LOCKS), "idempotency_key": new_key(),
                "wait_ms": 3_600_000,
            });
            self.sender.feed(Message::text(acquire.to_string())).await.expect("the frame is sent");
        }
        self.sender.flush().await.expect("the frames are sent");
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

type Sender = SplitSink<WebSocketStream<TcpStream>, Message>;

/// Opens a session that is read all the time, and counts what it receives.
async fn session(server: &str, token: &str, received: Arc<AtomicU64>) -> (Sender, JoinHandle<()>) {
    let host = server.trim_start_matches("http://");
    let mut request = format!("ws://{host}/v1/session").into_client_request().expect("a request");
    let authorization = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
    request.headers_mut().insert("authorization", authorization);
    let connection = TcpStream::connect(host).await.expect("a connection");
    connection.set_nodelay(true).expect("no delay");
    let (socket, _) = tokio_tungstenite::client_async(request, connection).await.expect("an upgrade");
    let (sender, mut receiver) = socket.split();
    let reading = spawn(async move {
        while let Some(Ok(message)) = receiver.next().await {
            received.fetch_add(u64::from(message.is_text()), Ordering::Relaxed);
        }
    });
    (sender, reading)
}
