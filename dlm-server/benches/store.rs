//! Throughput of the service without HTTP: each caller acquires and releases its
//! own lock in a loop, on a file with full sync. A cycle writes the same rows as
//! in production: the resource, the claim with its key, and two events.
//!
//! `cargo bench -p dlm-server --bench store -- [callers…]`. The default database
//! is a SQLite file. `DLM_BENCH_DATABASE_URL` selects another, and
//! `DLM_BENCH_WRITERS` the number of writers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dlm_protocol::{AcquireRequest, IdempotencyKey, ReleaseRequest, ResourceName};
use dlm_server::{Metrics, Operation, Outcome, Principal, Service, ServiceOptions};

const MEASURED: Duration = Duration::from_secs(5);

fn main() {
    let requested: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let callers = if requested.is_empty() { vec![1, 64, 256] } else { requested };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    for callers in callers {
        for new_names in [false, true] {
            let cycles = runtime.block_on(measure(callers, new_names));
            let names = if new_names { "new name per cycle" } else { "one name each" };
            println!("{callers:>4} callers, {names:<18}: {:>8.0} cycles/s", cycles / MEASURED.as_secs_f64());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark spawns its callers and reads the clock")]
async fn measure(callers: usize, new_names: bool) -> f64 {
    // In the build directory: the system's temporary directory may be in memory.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = tempfile::tempdir_in(target).expect("a temporary directory");
    let sqlite = format!("sqlite://{}", directory.path().join("bench.db").display());
    let writers = std::env::var("DLM_BENCH_WRITERS").ok().and_then(|writers| writers.parse().ok());
    let options = ServiceOptions {
        database_url: std::env::var("DLM_BENCH_DATABASE_URL").unwrap_or(sqlite),
        writers: writers.unwrap_or(2),
        idle_retention: Duration::from_secs(86_400),
        event_retention: Duration::from_secs(86_400),
        event_limit: 10_000_000,
        secret_file: None,
        max_sessions_per_principal: 10_000,
        max_subscribers_per_principal: 1_000,
    };
    let service = Service::open(options, Metrics::new()).await.expect("a store");
    let cycles = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + MEASURED;
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (service, cycles) = (service.clone(), Arc::clone(&cycles));
            tokio::spawn(async move {
                for round in 0_u64.. {
                    if Instant::now() >= until {
                        break;
                    }
                    let name = if new_names { format!("{caller}/{round}") } else { caller.to_string() };
                    cycle(&service, &name).await;
                    cycles.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a caller");
    }
    service.close().await;
    cycles.load(Ordering::Relaxed) as f64
}

async fn cycle(service: &Service, name: &str) {
    let resource = ResourceName::try_from(name).expect("a name");
    let key = IdempotencyKey::try_from(uuid::Uuid::now_v7().to_string()).expect("a key");
    let acquire =
        Operation::Acquire { resource: resource.clone(), key: Some(key), request: AcquireRequest::default() };
    let Ok(Outcome::Lease(lease)) = service.call(&Principal::anonymous(), acquire).await else {
        panic!("a free lock was not granted")
    };
    let release = Operation::Release { resource, request: ReleaseRequest { lease_id: lease.lease_id } };
    let released = service.call(&Principal::anonymous(), release).await;
    assert!(matches!(released, Ok(Outcome::Released(_))), "a lease was not released: {released:?}");
}
