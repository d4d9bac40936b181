//! Shutdown of a service.

use std::sync::Arc;
use std::time::Duration;

use super::Service;
use crate::clock::since_boot;

impl Service {
    /// Stops holding requests open: acquires that wait return
    /// [`Outcome::Queued`](super::Outcome::Queued), and [`Service::ready`] fails.
    pub fn drain(&self) {
        self.0.draining.cancel();
    }

    /// Finishes pending operations and closes the store, without a deadline.
    pub async fn close(&self) {
        self.close_within(Duration::MAX).await;
    }

    /// Finishes pending operations and closes the store. After `within`, the
    /// rest is abandoned. Returns whether all pending operations were finished.
    pub async fn close_within(&self, within: Duration) -> bool {
        let began = since_boot();
        let left = || within.saturating_sub(since_boot().saturating_sub(began));
        self.drain();
        self.0.background.stop_tasks(within / 3).await;
        self.0.access.system().writers().stop();
        let finished = self.0.background.join_writers(left()).await;
        let cluster = Arc::clone(&self.0.cluster);
        let leave = tokio::task::spawn_blocking(move || cluster.leave());
        if !matches!(tokio::time::timeout(left(), leave).await, Ok(Ok(Ok(())))) {
            tracing::warn!("peers could not be notified of the shutdown");
        }
        finished
    }
}
