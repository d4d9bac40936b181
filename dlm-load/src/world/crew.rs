//! The tasks of the workers, and what fails in them.

use std::time::Duration;

use dlm_client::{Error, LockGuard};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::job::Job;

/// The pause after a failure, so that a server that refuses everything is not flooded.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The workers of the world. They stop when this is dropped.
pub(super) struct Crew {
    workers: JoinSet<()>,
    failures: UnboundedSender<String>,
}

impl Crew {
    pub(super) fn new(failures: UnboundedSender<String>) -> Self {
        Self { workers: JoinSet::new(), failures }
    }

    /// Starts a worker that does its job over and over. The first time, it has the guard already.
    pub(super) fn hire(&mut self, job: Job, mut guard: Option<LockGuard>) {
        self.repeat(job.owner.clone(), move || {
            let (job, guard) = (job.clone(), guard.take());
            async move {
                let guard = match guard {
                    Some(guard) => guard,
                    None => job.acquire().await?,
                };
                job.perform(guard).await
            }
        });
    }

    /// Starts a worker that does something over and over. A lock that is lost is no failure:
    /// people may force-release what they like.
    pub(super) fn repeat<F: Future<Output = Result<(), Error>> + Send + 'static>(
        &mut self,
        owner: String,
        mut round: impl FnMut() -> F + Send + 'static,
    ) {
        let failures = self.failures.clone();
        self.workers.spawn(async move {
            loop {
                if let Err(error) = round().await
                    && !error.is_lost()
                {
                    // The receiver goes away at the end of the world only.
                    failures.send(format!("{owner}: {error}")).ok();
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        });
    }

    /// Stops all workers, who drop their guards.
    pub(super) async fn dismiss(mut self) {
        self.workers.shutdown().await;
    }
}
