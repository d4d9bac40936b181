//! The background tasks and threads of a service: the one place that spawns,
//! names, logs and joins them.

use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::since_boot;

/// How often threads are polled while they end.
const JOIN_POLL: Duration = Duration::from_millis(5);

/// Everything that runs beside the requests.
#[derive(Debug, Default)]
pub(crate) struct Background {
    stop: CancellationToken,
    tasks: TaskTracker,
    threads: Mutex<Vec<Thread>>,
}

struct Thread {
    handle: JoinHandle<()>,
    kind: ThreadKind,
}

/// What the end of a thread means for a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ThreadKind {
    /// Has commits to finish: a shutdown without it is incomplete.
    Essential,
    /// Has nothing to finish.
    Expendable,
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread")
            .field("name", &self.handle.thread().name())
            .field("kind", &self.kind)
            .finish()
    }
}

impl Background {
    /// Cancelled when background work has to end.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Spawns a task that ends soon after the stop token is cancelled.
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            tracing::debug!(task = name, "background task started");
            match AssertUnwindSafe(task).catch_unwind().await {
                Ok(()) => tracing::debug!(task = name, "background task stopped"),
                Err(_) => tracing::error!(task = name, "background task panicked"),
            }
        });
    }

    /// Spawns blocking work that a shutdown waits for.
    pub(crate) fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> task::JoinHandle<T> {
        self.tasks.spawn_blocking(work)
    }

    /// Spawns a named thread.
    pub(crate) fn spawn_thread(
        &self,
        name: String,
        kind: ThreadKind,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let handle = std::thread::Builder::new().name(name).spawn(body)?;
        self.threads().push(Thread { handle, kind });
        Ok(())
    }

    /// Cancels the stop token and joins the tasks. Tasks that miss the deadline
    /// are left behind: they may be blocked on a database that does not answer.
    pub(crate) async fn stop_tasks(&self, within: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(within, self.tasks.wait()).await.is_err() {
            tracing::warn!(pending = self.tasks.len(), "background tasks missed the shutdown deadline");
        }
    }

    /// Joins the threads. Returns whether their work is complete: no thread
    /// panicked and no essential one missed the deadline.
    pub(crate) async fn join_threads(&self, within: Duration) -> bool {
        let began = since_boot();
        let threads = std::mem::take(&mut *self.threads());
        while threads.iter().any(|thread| !thread.handle.is_finished())
            && since_boot().saturating_sub(began) < within
        {
            tokio::time::sleep(JOIN_POLL).await;
        }
        // Join all of them: each one logs how it ended.
        let finished: Vec<bool> = threads.into_iter().map(Thread::join).collect();
        !finished.contains(&false)
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Thread {
    /// Whether the thread did everything that a shutdown needs of it.
    fn join(self) -> bool {
        let Self { handle, kind } = self;
        let name = handle.thread().name().unwrap_or_default().to_owned();
        if !handle.is_finished() {
            tracing::error!(thread = name, "thread missed the shutdown deadline");
            return kind == ThreadKind::Expendable;
        }
        let panicked = handle.join().is_err();
        if panicked {
            tracing::error!(thread = name, "thread panicked");
        }
        !panicked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shutdown_is_incomplete_when_an_essential_thread_panics() {
        let background = Background::default();
        background.spawn_thread("fine".into(), ThreadKind::Essential, || {}).unwrap();
        assert!(background.join_threads(Duration::MAX).await);
        background.spawn_thread("broken".into(), ThreadKind::Essential, || panic!("expected")).unwrap();
        assert!(!background.join_threads(Duration::MAX).await);
    }

    #[tokio::test]
    async fn only_essential_threads_can_make_a_shutdown_incomplete_by_being_slow() {
        for (kind, complete) in [(ThreadKind::Expendable, true), (ThreadKind::Essential, false)] {
            let background = Background::default();
            let (release, released) = std::sync::mpsc::channel::<()>();
            background
                .spawn_thread("slow".into(), kind, move || {
                    released.recv().ok();
                })
                .unwrap();
            assert_eq!(background.join_threads(Duration::from_millis(10)).await, complete);
            drop(release);
        }
    }
}
