//! The store and the lock rules without HTTP: callers that acquire and release
//! their own locks as fast as they are answered, on a real file with full
//! sync. Every cycle writes what it writes in production: the resource, the
//! claim with its key, both events.
//!
//! `cargo bench -p dlm-server --bench store -- [callers…]`; on SQLite, or on the
//! database that `DLM_BENCH_DATABASE_URL` names, with `DLM_BENCH_WRITERS`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dlm_protocol::{AcquireRequest, IdempotencyKey, ReleaseRequest, ResourceName};
use dlm_server::{Metrics, Operation, Outcome, Principal, Service, ServiceOptions};

const MEASURED: Duration = Duration::from_secs(5);

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let callers = if asked.is_empty() { vec![1, 64, 256] } else { asked };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    for callers in callers {
        for new_names in [false, true] {
            let cycles = runtime.block_on(measure(callers, new_names));
            let names = if new_names { "ever new names" } else { "own names" };
            println!("{callers:>4} callers, {names:<14}: {:>8.0} cycles/s", cycles / MEASURED.as_secs_f64());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark spawns its callers and takes the time")]
async fn measure(callers: usize, new_names: bool) -> f64 {
    // Beside the build, on a real disk: a temporary folder may be in memory.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = tempfile::tempdir_in(target).expect("a folder");
    let sqlite = format!("sqlite://{}", directory.path().join("bench.db").display());
    let writers = std::env::var("DLM_BENCH_WRITERS").ok().and_then(|writers| writers.parse().ok());
    let options = ServiceOptions {
        database_url: std::env::var("DLM_BENCH_DATABASE_URL").unwrap_or(sqlite),
        writers: writers.unwrap_or(2),
        idle_retention: Duration::from_secs(86_400),
        event_retention: Duration::from_secs(86_400),
        event_limit: 10_000_000,
        secret_file: None,
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
