//! A web service of which several instances run. A request locks what it works on, so that no other
//! instance works on it meanwhile.
//!
//! - A request waits for a short time, and is refused if the lock is still held.
//! - If the caller hangs up, axum drops the request, which leaves the queue.
//! - If the lock is lost, the work stops.
//! - If the lock can't be released after the work, that is logged, and the request succeeds.
//! - On SIGTERM, requests are finished, and then the locks are released before the process ends.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use clap::Parser;
use dlm_client::{Client, FencingToken};
use dlm_examples::{say, stop_requested};
use tokio::net::TcpListener;

/// Serve `POST /orders/{id}/ship`.
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the lock server.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// How long a request waits for the lock of its order, in milliseconds.
    #[arg(long, default_value_t = 2000)]
    wait_ms: u64,
    /// How long it takes to ship an order, in milliseconds.
    #[arg(long, default_value_t = 100)]
    ship_ms: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    // One client for all requests. The service starts even if the lock server does not run yet.
    let client = Client::builder().address(&arguments.server).connect_lazy()?;
    let shop = Shop {
        client: client.clone(),
        wait: Duration::from_millis(arguments.wait_ms),
        ship_time: Duration::from_millis(arguments.ship_ms),
    };
    let listener = TcpListener::bind(&arguments.listen).await?;
    say!("listening on http://{}", listener.local_addr()?);
    let stop = async {
        if let Err(error) = stop_requested().await {
            say!("signals can't be received: {error}");
        }
    };
    axum::serve(listener, router(shop)).with_graceful_shutdown(stop).await?;
    client.close(Duration::from_secs(5)).await?;
    say!("all locks are released");
    Ok(())
}

struct Shop {
    client: Client,
    wait: Duration,
    ship_time: Duration,
}

fn router(shop: Shop) -> Router {
    Router::new().route("/orders/{id}/ship", post(ship)).with_state(Arc::new(shop))
}

async fn ship(State(shop): State<Arc<Shop>>, Path(id): Path<String>) -> Result<String, Refused> {
    let guard = shop.client.lock(format!("orders/{id}")).wait(shop.wait).await?;
    let shipped = tokio::select! {
        // The loss comes first: after a long pause, both branches are ready.
        biased;
        reason = guard.lost() => return Err(Refused(StatusCode::SERVICE_UNAVAILABLE, reason.to_string())),
        shipped = shop.ship(&id, guard.live_token()?) => shipped,
    };
    // The order is shipped, whatever becomes of the lock: its lease expires at the latest.
    if let Err(error) = guard.release().await {
        say!("order {id} is shipped, but its lock is not released: {error}");
    }
    Ok(shipped)
}

impl Shop {
    /// The token belongs into the row of the order, which refuses an older one.
    async fn ship(&self, id: &str, token: FencingToken) -> String {
        tokio::time::sleep(self.ship_time).await;
        format!("order {id} shipped under token {token}\n")
    }
}

/// What the caller is told.
struct Refused(StatusCode, String);

impl From<dlm_client::Error> for Refused {
    fn from(error: dlm_client::Error) -> Self {
        let status = match &error {
            error if error.is_timeout() || error.is_held() => StatusCode::CONFLICT,
            error if error.is_invalid() => StatusCode::BAD_REQUEST,
            error if error.is_retryable() || error.is_lost() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use dlm_testing::{AcquireFault, TestServer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio_util::task::AbortOnDropHandle;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// An instance of the service, which ends with the test.
    struct Instance {
        address: std::net::SocketAddr,
        _task: AbortOnDropHandle<()>,
    }

    impl Instance {
        async fn start(server: &TestServer, ship_time: Duration) -> Self {
            Self::with_client(server.client().await, ship_time).await
        }

        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        async fn with_client(client: Client, ship_time: Duration) -> Self {
            let router = router(Shop { client, wait: LONG, ship_time });
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
            Self { address, _task: AbortOnDropHandle::new(task) }
        }

        async fn open(&self, id: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let request = format!("POST /orders/{id}/ship HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            stream
        }

        /// The status and the body.
        async fn ship(&self, id: &str) -> (u16, String) {
            let mut text = String::new();
            self.open(id).await.read_to_string(&mut text).await.unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            (head.split(' ').nth(1).unwrap().parse().unwrap(), body.trim().to_owned())
        }
    }

    #[tokio::test]
    async fn order_is_shipped_under_its_lock() {
        let server = TestServer::start();
        let instance = Instance::start(&server, Duration::ZERO).await;
        assert_eq!(instance.ship("42").await, (200, "order 42 shipped under token 1".into()));
        assert_eq!(server.status("orders/42").holder_count, 0);
    }

    #[tokio::test]
    async fn request_is_refused_when_another_instance_ships_the_order() {
        let server = TestServer::start();
        let instance = Instance::start(&server, Duration::ZERO).await;
        server.next_acquire("orders/42", AcquireFault::TimesOut);
        assert_eq!(instance.ship("42").await.0, 409);
        server.next_acquire("orders/42", AcquireFault::Fails);
        assert_eq!(instance.ship("42").await.0, 503);
    }

    #[tokio::test]
    async fn work_stops_when_the_lock_is_lost() {
        let server = TestServer::start();
        let instance = Instance::start(&server, LONG).await;
        let ((status, body), ()) = tokio::join!(instance.ship("42"), async {
            server.wait_until_held("orders/42").await;
            server.lose("orders/42");
        });
        assert!(status == 503 && body.ends_with("the lease was force-released"), "{status} {body}");
    }

    #[tokio::test]
    async fn requests_for_one_order_run_one_at_a_time_on_all_instances() {
        let server = TestServer::start();
        let one = Instance::start(&server, Duration::from_millis(20)).await;
        let two = Instance::start(&server, Duration::from_millis(20)).await;
        let replies = tokio::join!(one.ship("42"), two.ship("42"), one.ship("42"), two.ship("42"));
        let mut replies: [_; 4] = replies.into();
        replies.sort();
        // A lock that is free keeps its counter: each request had a grant of its own.
        let expected = [1, 2, 3, 4].map(|token| (200, format!("order 42 shipped under token {token}")));
        assert_eq!(replies, expected);
        assert_eq!(server.status("orders/42").holder_count, 0);
    }

    #[tokio::test]
    async fn order_that_is_shipped_is_no_failure_when_its_lock_can_not_be_released() {
        let server = TestServer::start();
        let client = server.client_builder().request_timeout(Duration::from_secs(1)).connect().await;
        let instance = Instance::with_client(client.unwrap(), Duration::from_secs(1)).await;
        let ((status, body), _away) = tokio::join!(instance.ship("42"), async {
            server.wait_until_held("orders/42").await;
            server.away()
        });
        assert_eq!((status, body.as_str()), (200, "order 42 shipped under token 1"));
        assert_eq!(server.status("orders/42").holder_count, 1, "the release failed");
    }

    #[tokio::test]
    async fn caller_that_hangs_up_leaves_the_queue() {
        let server = TestServer::start();
        let instance = Instance::start(&server, Duration::ZERO).await;
        let _other = server.hold("orders/42");
        let caller = instance.open("42").await;
        server.wait_for_waiters("orders/42", 1).await;
        drop(caller);
        while server.status("orders/42").queue_len > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
