//! A service on a new database, without HTTP, and what the benchmarks ask of it.

use std::path::Path;
use std::time::Duration;

use diesel::connection::{Connection, SimpleConnection};
use dlm_pq::PqConnection;
use dlm_protocol::{AcquireRequest, IdempotencyKey, ResourceName};
use dlm_server::{Error, Metrics, Operation, Outcome, Principal, Service, ServiceOptions, TroubleThresholds};

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(work)
}

/// A service on a new SQLite file, or on the database of `DLM_BENCH_DATABASE_URL`, and
/// the directory that it is in. With a name, on a new database with this name beside that one.
pub(crate) async fn open(new: Option<&str>) -> (tempfile::TempDir, Service) {
    let given = std::env::var("DLM_BENCH_DATABASE_URL").ok();
    let database_url = match new {
        Some(name) => given.map(|url| create_database(&url, name)),
        None => given,
    };
    // In the build directory: the system's temporary directory may be in memory.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = tempfile::tempdir_in(target).expect("a temporary directory");
    let sqlite = format!("sqlite://{}", directory.path().join("bench.db").display());
    let writers = std::env::var("DLM_BENCH_WRITERS").ok().and_then(|writers| writers.parse().ok());
    let options = ServiceOptions {
        database_url: database_url.unwrap_or(sqlite),
        writers: writers.unwrap_or(2),
        idle_retention: Duration::from_secs(86_400),
        event_retention: Duration::from_secs(86_400),
        event_limit: 10_000_000,
        secret_file: None,
        max_sessions_per_principal: 10_000,
        max_subscribers_per_principal: 1_000,
        troubles: TroubleThresholds::default(),
    };
    let service = Service::open(options, Metrics::new()).await.expect("a store");
    (directory, service)
}

/// Creates a database beside that of a URL. Returns its URL.
fn create_database(url: &str, name: &str) -> String {
    let mut connection = PqConnection::establish(url).expect("a connection");
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    connection.batch_execute(&drop).expect("no such database");
    connection.batch_execute(&format!("CREATE DATABASE {name}")).expect("a database");
    let (server, _) = url.rsplit_once('/').expect("a URL with the name of a database");
    format!("{server}/{name}")
}

/// Acquires a lock with a new key.
pub(crate) async fn acquire(
    service: &Service,
    name: &str,
    request: AcquireRequest,
) -> (ResourceName, Result<Outcome, Error>) {
    let resource = ResourceName::try_from(name).expect("a name");
    let key = IdempotencyKey::try_from(uuid::Uuid::now_v7().to_string()).expect("a key");
    let acquire = Operation::Acquire { resource: resource.clone(), key: Some(key), request };
    (resource, service.call(&Principal::anonymous(), acquire).await)
}
