//! The test harness: databases, server processes, clients, fault injection.

mod api;
mod auth;
mod authority;
mod backend;
mod binaries;
mod clock;
mod disk_faults;
mod fault_proxy;
mod flood;
mod grant_record;
mod kill_on_drop;
mod machine_delay;
mod peer_messages;
mod pgbouncer;
mod plain_server;
mod postgres;
mod postgres_proxy;
mod raw_http;
mod reverse_proxy;
mod rng;
mod s3_storage;
mod scale;
mod server;
mod socket;
mod test_lock;
mod tls_client;

use std::future::Future;
use std::time::{Duration, Instant};

pub(crate) use api::{Acquire, Api, ApiResponse, encode};
pub(crate) use auth::{AuthFile, limited_principal, principal};
pub(crate) use authority::{Authority, Identity};
pub(crate) use backend::{Backend, DedicatedPostgres, Postgres, ReplicatedPostgres, Sqlite, WritesBlocked};
pub(crate) use binaries::binary;
pub(crate) use clock::FakeClock;
pub(crate) use disk_faults::{DiskFault, FaultyDisk};
pub(crate) use fault_proxy::{FaultProxy, NetworkFault};
pub(crate) use flood::{Crowd, Flood, LOCKS as FLOODED_LOCKS};
pub(crate) use grant_record::{GrantRecord, work};
pub(crate) use kill_on_drop::KillOnDrop;
pub(crate) use machine_delay::MachineDelay;
pub(crate) use peer_messages::PeerMessages;
pub(crate) use pgbouncer::PgBouncer;
pub(crate) use plain_server::PlainServer;
pub(crate) use postgres::PostgresCluster;
pub(crate) use postgres_proxy::{CommitFault, CommitFaultProxy};
pub(crate) use raw_http::{HangUp, RawClient, RawHttp2, acquire_request};
pub(crate) use reverse_proxy::ReverseProxy;
pub(crate) use rng::SeededRng;
pub(crate) use s3_storage::S3Storage;
pub(crate) use scale::rounds;
pub(crate) use server::{OverSessions, ServerProcess, command as server_command, send_signal, startup_error};
pub(crate) use socket::WebSocket;
pub(crate) use test_lock::{exclusive_test_lock, quiet_test_lock, release_test_lock};
pub(crate) use tls_client::{TlsClient, Trust};

/// How long `eventually` waits.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The expiry of the first holder's lease.
pub(crate) async fn expires_at(api: &Api, name: &str) -> String {
    let status = api.status(name).await;
    status["holders"][0]["expires_at"].as_str().expect("a holder").to_owned()
}

/// Waits until the first holder's lease has been renewed beyond this expiry.
pub(crate) async fn wait_for_renewal(api: &Api, name: &str, before: &str) {
    eventually("the lease is renewed", || async {
        let status = api.status(name).await;
        status["holders"][0]["expires_at"].as_str().is_some_and(|now| now > before)
    })
    .await;
}

/// A timestamp of the wire, in microseconds.
pub(crate) fn micros(instant: &serde_json::Value) -> i64 {
    serde_json::from_value::<dlm_protocol::Timestamp>(instant.clone()).expect("an instant").as_micros()
}

/// Polls a condition until it holds; panics after a timeout.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let until = now() + TIMEOUT;
    while !condition().await {
        assert!(now() < until, "timed out waiting for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "tests measure elapsed time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, in microseconds.
#[expect(clippy::disallowed_methods, reason = "compared with the server's timestamps")]
pub(crate) fn wall_clock_micros() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since_epoch.as_micros()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tests join or abort their tasks")]
pub(crate) fn spawn<F: Future<Output: Send + 'static> + Send + 'static>(
    future: F,
) -> tokio::task::JoinHandle<F::Output> {
    tokio::spawn(future)
}

/// A new idempotency key.
pub(crate) fn new_key() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A client connected to a server.
pub(crate) async fn client(url: &str) -> dlm_client::Client {
    dlm_client::Client::connect(url).await.expect("the client connects")
}
