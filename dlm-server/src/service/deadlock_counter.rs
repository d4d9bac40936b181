//! Counts possible deadlocks for the metrics, whether or not anyone asks for the wait-for graph.

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Limits;
use tokio_util::sync::CancellationToken;

use super::wait_graph;
use crate::background::Attempts;
use crate::clock::since_boot;
use crate::membership::Membership;
use crate::metrics::Metrics;
use crate::store::Reader;

/// Time from one count to the next.
const INTERVAL: Duration = Duration::from_secs(10);
/// A count that takes long is followed by a pause of this many times as long.
const REST: u32 = 4;

/// Counts possible deadlocks among all resources.
pub(super) struct DeadlockCounter {
    pub(super) reader: Arc<dyn Reader>,
    pub(super) membership: Arc<Membership>,
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: Arc<Metrics>,
}

impl DeadlockCounter {
    /// Counts until `stop` is cancelled. Blocks.
    pub(super) async fn run(self, mut attempts: Attempts, stop: CancellationToken) {
        loop {
            let began = since_boot();
            let counted = wait_graph::of_all(&*self.reader, &self.membership.current(), &self.limits);
            let pause = match counted {
                Ok(graph) => {
                    attempts.succeeded();
                    self.metrics.possible_deadlocks(graph.possible_deadlocks.len());
                    let took = since_boot().saturating_sub(began);
                    INTERVAL.saturating_sub(took).max(took * REST)
                }
                Err(error) => attempts.failed(&error),
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
