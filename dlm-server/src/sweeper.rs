//! Ends what is overdue without anyone asking: leases, waits, and the memory
//! of resources that nobody uses.
//!
//! It follows the indexed `check_at` of resources and waiters, sleeps until
//! the first of them, and is woken when a commit brings an earlier one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dlm_engine::{ClaimKey, Micros};
use tokio_util::sync::CancellationToken;

use crate::clock::since_boot;
use crate::service::Service;
use crate::store::{Cluster, DueWork, Name, Reader, StoreError};
use crate::writer::NextCheck;

/// Most resources, and most waiters, ended at a time.
const LIMIT: i64 = 1000;
/// Longest sleep: the timer does not count the time in which the machine was
/// suspended, the deciding clock does.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);
/// Pause after a failure, and the shortest sleep at all.
const PAUSE: Duration = Duration::from_millis(100);
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);
/// Longest time without a look: other replicas write too, and may be gone.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// How far behind the replica before it each replica is, but for those that are
/// so far behind already that what is overdue would be late.
const BEHIND: Duration = Duration::from_millis(80);
const MOST_BEHIND: u32 = 2;

/// Sweeps until it is told to stop. Where several replicas share the store the
/// first does it; each of the others is a little behind, and finds something
/// only when those before it failed to.
pub(crate) async fn run(
    service: Service,
    reader: Arc<dyn Reader>,
    cluster: Arc<dyn Cluster>,
    next_check: Arc<NextCheck>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        // Before the read, so that a check scheduled by a later commit is kept.
        next_check.clear();
        let behind = BEHIND * cluster.rank().min(MOST_BEHIND);
        match sweep(&service, &reader, behind).await {
            Ok(due) => {
                let full = due.resources.len().max(due.waiters.len()) as i64 >= LIMIT;
                if full {
                    continue;
                }
                next_check.schedule(due.next.unwrap_or(Micros::MAX));
                tokio::select! {
                    () = sleep_until_due(due.now, behind, &next_check) => {}
                    () = stop.cancelled() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the sweeper could not look for what is overdue");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn sweep(service: &Service, reader: &Arc<dyn Reader>, behind: Duration) -> Result<DueWork, StoreError> {
    let looking = Arc::clone(reader);
    let due = tokio::task::spawn_blocking(move || looking.due_work(behind, LIMIT))
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))??;
    let mut by_name: HashMap<Name, Vec<ClaimKey>> = HashMap::new();
    for name in &due.resources {
        by_name.entry(Name::clone(name)).or_default();
    }
    for (name, key) in &due.waiters {
        by_name.entry(Name::clone(name)).or_default().push(key.clone());
    }
    let swept = by_name.into_iter().map(|(name, waiters)| service.sweep(name, waiters)).collect::<Vec<_>>();
    for answer in swept {
        if answer.await.is_err() {
            return Err(StoreError::Unavailable("a sweep failed".into()));
        }
    }
    Ok(due)
}

/// `looked` is the deciding clock at the look that was just taken.
async fn sleep_until_due(looked: Micros, behind: Duration, next_check: &NextCheck) {
    let started = since_boot();
    loop {
        let elapsed = since_boot().saturating_sub(started);
        let due_in =
            Duration::from_micros(u64::try_from(next_check.at().0.saturating_sub(looked.0)).unwrap_or(0));
        let left = due_in.saturating_add(behind).saturating_sub(elapsed);
        if left.is_zero() {
            tokio::time::sleep(SHORTEST_SLEEP).await;
            return;
        }
        if elapsed >= LONGEST_LOOK {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(left.min(LONGEST_SLEEP)) => {}
            () = next_check.moved_earlier() => {}
        }
    }
}
