//! Assigns positions in the event log to committed batches.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::store::Cluster;

/// Time between two assignments. Readers of the log assign positions as well,
/// so this only bounds the delay while nobody reads.
const INTERVAL: Duration = Duration::from_millis(500);

/// Assigns positions until `stop` is cancelled.
pub(super) async fn run(cluster: Arc<dyn Cluster>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // One replica is enough.
        if cluster.rank() == 0 {
            let cluster = Arc::clone(&cluster);
            match tokio::task::spawn_blocking(move || cluster.assign_positions()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "log position assignment failed"),
                Err(error) => tracing::error!(%error, "log position assignment panicked"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => {}
        }
    }
}
