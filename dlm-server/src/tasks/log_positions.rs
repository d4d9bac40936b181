//! Assigns positions in the event log to committed batches.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::background::Attempts;
use crate::store::Cluster;

/// Time between two assignments. Readers of the log assign positions as well,
/// so this only bounds the delay while nobody reads.
const INTERVAL: Duration = Duration::from_millis(500);

/// Assigns positions until `stop` is cancelled. Blocks.
pub(super) async fn run(cluster: Arc<dyn Cluster>, mut attempts: Attempts, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // One replica is enough.
        if cluster.rank() == 0 {
            match cluster.assign_positions() {
                Ok(()) => attempts.succeeded(),
                Err(error) => {
                    attempts.failed(&error);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => {}
        }
    }
}
