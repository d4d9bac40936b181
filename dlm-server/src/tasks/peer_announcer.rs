//! Sends the messages of this replica to its peers.

use tokio_util::sync::CancellationToken;

use crate::store::Cluster;

/// Sends until `stop` is cancelled, and then what is pending. Blocks.
pub(super) fn run(cluster: &dyn Cluster, stop: &CancellationToken) {
    loop {
        let last = stop.is_cancelled();
        cluster.send_announced();
        if last {
            return;
        }
    }
}
