//! Assigns positions in the event log to committed batches.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::background::Attempts;
use crate::store::Cluster;

/// Time between two assignments. Readers of the log assign positions as well,
/// so this only bounds the delay while nobody reads.
const INTERVAL: Duration = Duration::from_millis(500);

/// Of so many intervals, a replica that is not the first assigns in one: during an upgrade the
/// first may be of an earlier version, which does not find all batches.
const INTERVALS_OF_OTHERS: u32 = 4;

/// Assigns positions until `stop` is cancelled. Blocks.
pub(super) async fn run(cluster: Arc<dyn Cluster>, mut attempts: Attempts, stop: CancellationToken) {
    let mut interval = 0_u32;
    while !stop.is_cancelled() {
        interval = interval.wrapping_add(1);
        if cluster.rank() == 0 || interval.is_multiple_of(INTERVALS_OF_OTHERS) {
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
