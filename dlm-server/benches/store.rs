//! Throughput of the service without HTTP: each caller acquires and releases its
//! own lock in a loop, on a file with full sync. A cycle writes the same rows as
//! in production: the resource, the claim with its key, and two events.
//!
//! `cargo bench -p dlm-server --bench store -- [callers…]`. The default database
//! is a SQLite file. `DLM_BENCH_DATABASE_URL` selects another, and
//! `DLM_BENCH_WRITERS` the number of writers.

mod service;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dlm_protocol::{AcquireRequest, ReleaseRequest};
use dlm_server::{Operation, Outcome, Principal, Service};
use service::{acquire, block_on, open};

const MEASURED: Duration = Duration::from_secs(5);

fn main() {
    let requested: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let callers = if requested.is_empty() { vec![1, 64, 256] } else { requested };
    for callers in callers {
        for new_names in [false, true] {
            let cycles = block_on(measure(callers, new_names));
            let names = if new_names { "new name per cycle" } else { "one name each" };
            println!("{callers:>4} callers, {names:<18}: {:>8.0} cycles/s", cycles / MEASURED.as_secs_f64());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark spawns its callers and reads the clock")]
async fn measure(callers: usize, new_names: bool) -> f64 {
    let (_directory, service) = open(None).await;
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
    let (resource, reply) = acquire(service, name, AcquireRequest::default()).await;
    let Ok(Outcome::Lease(lease)) = reply else { panic!("a free lock was not granted: {reply:?}") };
    let release = Operation::Release { resource, request: ReleaseRequest { lease_id: lease.lease_id } };
    let released = service.call(&Principal::anonymous(), release).await;
    assert!(matches!(released, Ok(Outcome::Released(_))), "a lease was not released: {released:?}");
}
