//! Ends overdue leases and waits, and deletes idle resources, without waiting
//! for a request to notice them.
//!
//! The sweeper follows the indexed `check_at` of resources and waiters. It
//! sleeps until the earliest, and is woken by a commit that brings an earlier
//! one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{ClaimKey, Micros, Op};
use tokio_util::sync::CancellationToken;

use crate::background::Attempts;
use crate::clock::since_boot;
use crate::store::{Cluster, DueWork, Name, Reader, StoreError};
use crate::writer::{NextCheck, OperationError, Writers};

/// Maximum resources, and maximum waiters, per sweep.
const LIMIT: i64 = 1000;
/// Maximum waiters per operation. An operation that does not fit into a batch is
/// executed again, and looks all of its waiters up again.
const MAX_WAITERS: usize = 64;
/// Longest timer. A timer does not count time in which the machine was
/// suspended, but the deciding clock does.
const MAX_TIMER: Duration = Duration::from_millis(500);
/// Shortest sleep between two sweeps.
const MIN_SLEEP: Duration = Duration::from_millis(1);
/// How long a resource is left out after the database rejected its sweep: the others
/// must not wait for one that can't be swept.
const REJECTED_PAUSE: Duration = Duration::from_secs(10);
/// Longest time between two reads. Peers write as well, and may have died.
const MAX_READ_INTERVAL: Duration = Duration::from_secs(1);
/// How far each replica lags behind the previous one, so that a live peer does
/// the work first. The lag is capped to bound the delay of overdue work.
const LAG: Duration = Duration::from_millis(80);
const MAX_LAG_STEPS: u32 = 2;

/// Sweeps until `stop` is cancelled. Where several replicas share the store, the
/// first one sweeps. The others lag behind it, and find work only when the
/// replicas before them failed to do it. Blocks.
pub(super) async fn run(
    writers: Writers,
    reader: Arc<dyn Reader>,
    cluster: Arc<dyn Cluster>,
    next_check: Arc<NextCheck>,
    mut attempts: Attempts,
    stop: CancellationToken,
) {
    let mut rejected = HashMap::new();
    while !stop.is_cancelled() {
        // Before the read, so that a check scheduled by a later commit is kept.
        next_check.clear();
        let lag = LAG * cluster.rank().min(MAX_LAG_STEPS);
        match sweep(&writers, &*reader, lag, &mut rejected).await {
            Ok((due, swept)) => {
                attempts.succeeded();
                let full = due.resources.len().max(due.waiters.len()) as i64 >= LIMIT;
                if full && swept > 0 {
                    continue;
                }
                next_check.schedule(due.next.unwrap_or(Micros::MAX));
                tokio::select! {
                    () = sleep_until_due(due.now, lag, &next_check) => {}
                    () = stop.cancelled() => {}
                }
            }
            Err(error) => {
                // What is due stays due, so without a pause it would be tried again
                // at once.
                let pause = attempts.failed(&error);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }
}

/// Returns what was due, and how many resources of it were swept. `rejected` are the
/// resources to leave out, and until when.
async fn sweep(
    writers: &Writers,
    reader: &dyn Reader,
    lag: Duration,
    rejected: &mut HashMap<Name, Duration>,
) -> Result<(DueWork, usize), StoreError> {
    let due = reader.due_work(lag, LIMIT)?;
    let mut by_name: HashMap<Name, Vec<ClaimKey>> = HashMap::new();
    for name in &due.resources {
        by_name.entry(Name::clone(name)).or_default();
    }
    for (name, key) in &due.waiters {
        by_name.entry(Name::clone(name)).or_default().push(key.clone());
    }
    rejected.retain(|_, until| since_boot() < *until);
    by_name.retain(|name, _| !rejected.contains_key(name));
    // Enqueue everything before waiting for the first result.
    let mut sweeps = Vec::new();
    let mut execute = |name: &Name, waiters| {
        sweeps
            .push((Name::clone(name), writers.execute(None, Name::clone(name), Op::Sweep { waiters }, None)));
    };
    for (name, mut waiters) in by_name {
        while waiters.len() > MAX_WAITERS {
            let rest = waiters.split_off(MAX_WAITERS);
            execute(&name, waiters);
            waiters = rest;
        }
        execute(&name, waiters);
    }
    let (mut swept, mut unavailable) = (0, false);
    for (name, sweep) in sweeps {
        match sweep.await?.outcome {
            Ok(_) | Err(OperationError::Refused(_)) => swept += 1,
            Err(OperationError::Unavailable(_) | OperationError::Overloaded) => unavailable = true,
            Err(OperationError::Internal | OperationError::QuotaExceeded) => {
                tracing::error!(resource = &*name, "sweep rejected by the database");
                rejected.insert(name, since_boot() + REJECTED_PAUSE);
            }
        }
    }
    if unavailable {
        return Err(StoreError::Unavailable("what is overdue could not be committed".into()));
    }
    Ok((due, swept))
}

/// Sleeps until the next check. `read_at` is the deciding clock at the read that
/// precedes the sleep.
async fn sleep_until_due(read_at: Micros, lag: Duration, next_check: &NextCheck) {
    let started = since_boot();
    loop {
        let elapsed = since_boot().saturating_sub(started);
        let due_in =
            Duration::from_micros(u64::try_from(next_check.at().0.saturating_sub(read_at.0)).unwrap_or(0));
        let left = due_in.saturating_add(lag).saturating_sub(elapsed);
        if left.is_zero() {
            tokio::time::sleep(MIN_SLEEP).await;
            return;
        }
        if elapsed >= MAX_READ_INTERVAL {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(left.min(MAX_TIMER)) => {}
            () = next_check.moved_earlier() => {}
        }
    }
}
