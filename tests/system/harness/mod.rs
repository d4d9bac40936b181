//! What the stories are told with.

mod api;
mod backend;
mod build;
mod clock;
mod cutter;
mod dice;
mod postgres;
mod proxy;
mod server;
mod socket;
mod turn;

use std::future::Future;
use std::time::{Duration, Instant};

pub(crate) use api::{Acquire, Answer, Api, encode};
pub(crate) use backend::{Backend, Own, Postgres, Sqlite, Standby};
pub(crate) use build::binary;
pub(crate) use clock::WrongClock;
pub(crate) use cutter::CutCommits;
pub(crate) use dice::Dice;
pub(crate) use postgres::Cluster;
pub(crate) use proxy::{Fate, Proxy};
pub(crate) use server::{OverSessions, Server, refused, send};
pub(crate) use socket::Socket;
pub(crate) use turn::alone;

/// Nothing takes this long that is going to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// When a lease ends as it stands.
pub(crate) async fn expires_at(api: &Api, name: &str) -> String {
    let status = api.status(name).await;
    status["holders"][0]["expires_at"].as_str().expect("a holder").to_owned()
}

/// Waits until a lease has been renewed past the instant at which it would have
/// ended.
pub(crate) async fn renewed_past(api: &Api, name: &str, before: &str) {
    eventually("the lease is renewed", || async {
        let status = api.status(name).await;
        status["holders"][0]["expires_at"].as_str().is_some_and(|now| now > before)
    })
    .await;
}

/// An instant on the wire, in microseconds.
pub(crate) fn micros(instant: &serde_json::Value) -> i64 {
    serde_json::from_value::<dlm_protocol::Timestamp>(instant.clone()).expect("an instant").as_micros()
}

/// Waits until a condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let until = now() + PATIENCE;
    while !condition().await {
        assert!(now() < until, "it did not come to pass: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "tests measure from outside")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, which the server's clock began at.
#[expect(clippy::disallowed_methods, reason = "client and server are compared from outside")]
pub(crate) fn wall_micros() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since_epoch.as_micros()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tests run what contends")]
pub(crate) fn spawn<F: Future<Output: Send + 'static> + Send + 'static>(
    future: F,
) -> tokio::task::JoinHandle<F::Output> {
    tokio::spawn(future)
}

pub(crate) fn key() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// The client against a server.
pub(crate) async fn client(url: &str) -> dlm_client::Client {
    dlm_client::Client::connect(url).await.expect("the server answers")
}
