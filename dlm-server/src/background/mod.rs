//! The background threads of a service: the one place that starts, names,
//! supervises and joins them.
//!
//! Every one of them is vital. A server without its sweeper, or without one of its
//! writers, looks alive and loses locks, so a thread that ends before the shutdown
//! ends the server.
//!
//! - `health`: which parts have ended, and which fail
//! - `attempts`: how a task that fails retries

mod attempts;
mod health;

use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::since_boot;
use crate::metrics::Metrics;

pub(crate) use attempts::Attempts;
pub(crate) use health::{Health, PartEnded};

/// How often threads are polled while they end.
const JOIN_POLL: Duration = Duration::from_millis(5);

/// Everything that runs beside the requests.
#[derive(Debug)]
pub(crate) struct Background {
    stop: CancellationToken,
    health: Arc<Health>,
    /// Have nothing to finish at a shutdown.
    tasks: Mutex<Vec<Thread>>,
    /// Have commits to finish: a shutdown without them is incomplete.
    writers: Mutex<Vec<Thread>>,
    awaited: TaskTracker,
}

/// A thread, which returns whether it ended without a panic.
struct Thread(JoinHandle<bool>);

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Thread").field(&self.0.thread().name()).finish()
    }
}

impl Background {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            stop: CancellationToken::new(),
            health: Arc::new(Health::new(metrics)),
            tasks: Mutex::default(),
            writers: Mutex::default(),
            awaited: TaskTracker::new(),
        }
    }

    /// Cancelled when background work has to end.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Which parts have ended or fail.
    pub(crate) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Runs a task that ends soon after the stop token is cancelled. It has a thread
    /// of its own: it may block, and no load on the transports delays it.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        self.spawn_loop(name, move || runtime.block_on(task))
    }

    /// Like [`Self::spawn`], for a task that is not asynchronous.
    pub(crate) fn spawn_loop(
        &self,
        name: &'static str,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let thread = self.supervise(name.to_owned(), body)?;
        lock(&self.tasks).push(thread);
        Ok(())
    }

    /// Starts the thread of a writer. It ends after the stop token is cancelled, once
    /// its commits are finished.
    pub(crate) fn spawn_writer(&self, name: String, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = self.supervise(name, body)?;
        lock(&self.writers).push(thread);
        Ok(())
    }

    /// Spawns a task on the runtime of the caller. A shutdown waits for it.
    pub(crate) fn spawn_async<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> task::JoinHandle<T> {
        self.awaited.spawn(task)
    }

    /// Spawns blocking work that a shutdown waits for.
    pub(crate) fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> task::JoinHandle<T> {
        self.awaited.spawn_blocking(work)
    }

    /// Starts a thread whose end is reported unless the server is stopping.
    fn supervise(&self, part: String, body: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
        let (stop, health) = (self.stop.clone(), Arc::clone(&self.health));
        let builder = std::thread::Builder::new().name(format!("dlm-{part}"));
        let supervised = move || {
            let finished = std::panic::catch_unwind(AssertUnwindSafe(body)).is_ok();
            if !stop.is_cancelled() {
                health.ended(PartEnded { part, panicked: !finished });
            }
            finished
        };
        Ok(Thread(builder.spawn(supervised)?))
    }

    /// Cancels the stop token and joins the tasks. Tasks that miss the deadline
    /// are left behind: they may be blocked on a database that does not answer.
    pub(crate) async fn stop_tasks(&self, within: Duration) {
        let began = since_boot();
        self.stop.cancel();
        join(&self.tasks, within).await;
        self.awaited.close();
        let left = within.saturating_sub(since_boot().saturating_sub(began));
        if tokio::time::timeout(left, self.awaited.wait()).await.is_err() {
            tracing::warn!(pending = self.awaited.len(), "blocking work missed the shutdown deadline");
        }
    }

    /// Joins the writers. Returns whether their work is complete: none panicked or
    /// missed the deadline.
    pub(crate) async fn join_writers(&self, within: Duration) -> bool {
        join(&self.writers, within).await
    }
}

/// Joins threads. Returns whether all of them ended in time, and without a panic.
async fn join(threads: &Mutex<Vec<Thread>>, within: Duration) -> bool {
    let began = since_boot();
    let threads = std::mem::take(&mut *lock(threads));
    while threads.iter().any(|Thread(handle)| !handle.is_finished())
        && since_boot().saturating_sub(began) < within
    {
        tokio::time::sleep(JOIN_POLL).await;
    }
    // Join all of them: each one logs how it ended.
    let finished: Vec<bool> = threads.into_iter().map(Thread::join).collect();
    !finished.contains(&false)
}

fn lock(threads: &Mutex<Vec<Thread>>) -> MutexGuard<'_, Vec<Thread>> {
    threads.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Thread {
    /// Whether the thread has ended, and without a panic.
    fn join(self) -> bool {
        let Self(handle) = self;
        let name = handle.thread().name().unwrap_or_default().to_owned();
        if !handle.is_finished() {
            tracing::error!(thread = name, "thread missed the shutdown deadline");
            return false;
        }
        let finished = handle.join().unwrap_or(false);
        if !finished {
            tracing::error!(thread = name, "thread panicked");
        }
        finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn background() -> Background {
        Background::new(Metrics::new())
    }

    #[tokio::test]
    async fn a_shutdown_is_incomplete_when_a_writer_panics() {
        let background = background();
        background.stop_tasks(Duration::MAX).await;
        background.spawn_writer("fine".into(), || {}).unwrap();
        assert!(background.join_writers(Duration::MAX).await);
        background.spawn_writer("broken".into(), || panic!("expected")).unwrap();
        assert!(!background.join_writers(Duration::MAX).await);
    }

    #[tokio::test]
    async fn a_shutdown_is_incomplete_when_a_writer_is_slow() {
        let background = background();
        let (release, released) = std::sync::mpsc::channel::<()>();
        background
            .spawn_writer("slow".into(), move || {
                released.recv().ok();
            })
            .unwrap();
        assert!(!background.join_writers(Duration::from_millis(10)).await);
        drop(release);
    }

    #[tokio::test]
    async fn b53_vital_part_that_ends_is_reported_with_its_name() {
        type Start = fn(&Background) -> io::Result<()>;
        let starts: [(&str, bool, Start); 4] = [
            ("sweeper", true, |background| background.spawn("sweeper", async { panic!("expected") })),
            ("sweeper", false, |background| background.spawn("sweeper", async {})),
            ("listener", true, |background| background.spawn_loop("listener", || panic!("expected"))),
            ("writer-0", true, |background| {
                background.spawn_writer("writer-0".into(), || panic!("expected"))
            }),
        ];
        for (part, panicked, start) in starts {
            let background = background();
            assert_eq!(background.health().first_ended(), None);
            start(&background).unwrap();
            let ended = PartEnded { part: part.into(), panicked };
            assert_eq!(background.health().part_ended().await, ended);
            assert_eq!(background.health().first_ended(), Some(&ended));
        }
    }

    #[tokio::test]
    async fn a_part_that_ends_when_it_should_is_not_reported() {
        let background = background();
        let stop = background.stop_token();
        background.spawn("sweeper", async move { stop.cancelled().await }).unwrap();
        background.stop_tasks(Duration::MAX).await;
        assert_eq!(background.health().first_ended(), None);
    }
}
