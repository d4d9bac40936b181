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

use crate::clock::since_boot;
use crate::store::{Cluster, DueWork, Name, Reader, StoreError};
use crate::writer::{NextCheck, Writers};

/// Maximum resources, and maximum waiters, per sweep.
const LIMIT: i64 = 1000;
/// Longest timer. A timer does not count time in which the machine was
/// suspended, but the deciding clock does.
const MAX_TIMER: Duration = Duration::from_millis(500);
/// Pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Shortest sleep between two sweeps.
const MIN_SLEEP: Duration = Duration::from_millis(1);
/// Longest time between two reads. Peers write as well, and may have died.
const MAX_READ_INTERVAL: Duration = Duration::from_secs(1);
/// How far each replica lags behind the previous one, so that a live peer does
/// the work first. The lag is capped to bound the delay of overdue work.
const LAG: Duration = Duration::from_millis(80);
const MAX_LAG_STEPS: u32 = 2;

/// Sweeps until `stop` is cancelled. Where several replicas share the store, the
/// first one sweeps. The others lag behind it, and find work only when the
/// replicas before them failed to do it.
pub(super) async fn run(
    writers: Writers,
    reader: Arc<dyn Reader>,
    cluster: Arc<dyn Cluster>,
    next_check: Arc<NextCheck>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        // Before the read, so that a check scheduled by a later commit is kept.
        next_check.clear();
        let lag = LAG * cluster.rank().min(MAX_LAG_STEPS);
        match sweep(&writers, &reader, lag).await {
            Ok(due) => {
                let full = due.resources.len().max(due.waiters.len()) as i64 >= LIMIT;
                if full {
                    continue;
                }
                next_check.schedule(due.next.unwrap_or(Micros::MAX));
                tokio::select! {
                    () = sleep_until_due(due.now, lag, &next_check) => {}
                    () = stop.cancelled() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "sweep failed");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

async fn sweep(writers: &Writers, reader: &Arc<dyn Reader>, lag: Duration) -> Result<DueWork, StoreError> {
    let reader = Arc::clone(reader);
    let due = tokio::task::spawn_blocking(move || reader.due_work(lag, LIMIT))
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))??;
    let mut by_name: HashMap<Name, Vec<ClaimKey>> = HashMap::new();
    for name in &due.resources {
        by_name.entry(Name::clone(name)).or_default();
    }
    for (name, key) in &due.waiters {
        by_name.entry(Name::clone(name)).or_default().push(key.clone());
    }
    // Enqueue everything before waiting for the first result.
    let sweeps: Vec<_> =
        by_name.into_iter().map(|(name, waiters)| writers.execute(name, Op::Sweep { waiters })).collect();
    for sweep in sweeps {
        sweep.await?;
    }
    Ok(due)
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
