//! How a service ends: what was handed in is finished, the store is closed.

use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Service;
use super::open::LISTENER;
use crate::clock::since_boot;

/// How often the threads are looked at while they end.
const JOIN_EVERY: Duration = Duration::from_millis(5);

impl Service {
    /// From now on no request is held open: those that wait are answered that
    /// they are still queued.
    pub fn drain(&self) {
        self.0.draining.cancel();
    }

    /// Finishes what was handed in and closes the store, however long it takes.
    pub async fn close(&self) {
        self.close_within(Duration::MAX).await;
    }

    /// Finishes what was handed in and closes the store, as far as that is done
    /// in time. Tells whether what was handed in was finished.
    pub async fn close_within(&self, within: Duration) -> bool {
        let began = since_boot();
        let left = || within.saturating_sub(since_boot().saturating_sub(began));
        self.drain();
        self.0.stop.cancel();
        // They may be at a database that does not answer, and have nothing that
        // must be finished.
        if tokio::time::timeout(within / 3, self.0.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.0.tasks.len(), "tasks of the service were cut off");
        }
        self.0.writers.stop();
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        while threads.iter().any(|thread| !thread.is_finished()) && !left().is_zero() {
            tokio::time::sleep(JOIN_EVERY).await;
        }
        let finished = threads.into_iter().all(finished);
        let cluster = Arc::clone(&self.0.cluster);
        let leave = tokio::task::spawn_blocking(move || cluster.leave());
        if !matches!(tokio::time::timeout(left(), leave).await, Ok(Ok(Ok(())))) {
            tracing::warn!("the other replicas could not be told of the end");
        }
        finished
    }
}

/// Whether a thread has done all that it was to do.
fn finished(thread: JoinHandle<()>) -> bool {
    if !thread.is_finished() {
        tracing::error!(thread = thread.thread().name(), "a thread was cut off at what it was doing");
        return thread.thread().name() == Some(LISTENER);
    }
    let panicked = thread.join().is_err();
    if panicked {
        tracing::error!("a thread of the service ended in a panic");
    }
    !panicked
}
