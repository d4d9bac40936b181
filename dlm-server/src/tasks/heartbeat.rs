//! The heartbeat of this replica.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::anonymous_claims::AnonymousClaims;
use crate::background::Attempts;
use crate::membership::Membership;
use crate::store::Cluster;
use crate::writer::{Parked, Writers};

/// Time between two heartbeats.
const INTERVAL: Duration = Duration::from_millis(500);

/// Sends heartbeats until `stop` is cancelled, and keeps the membership current.
/// Blocks.
pub(super) async fn run(
    membership: Arc<Membership>,
    anonymous_claims: Arc<AnonymousClaims>,
    cluster: Arc<dyn Cluster>,
    parked: Arc<Parked>,
    writers: Writers,
    mut attempts: Attempts,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        match cluster.heartbeat(writers.measure_load()) {
            Ok(heartbeat) => {
                attempts.succeeded();
                membership.set(heartbeat.replicas);
                anonymous_claims.record_peers(heartbeat.open_peers);
                writers.record_load_of_peers(heartbeat.load_of_peers);
                if heartbeat.declared_dead {
                    tracing::warn!("peers declared this server dead");
                    // A lock that was freed meanwhile passed over the waiters
                    // that are parked here.
                    for (name, key) in parked.all() {
                        if writers.recheck(name, key).is_err() {
                            return;
                        }
                    }
                }
            }
            Err(error) => {
                attempts.failed(&error);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => {}
        }
    }
}
