//! The threads that serve subscribers. To send an event to thousands of them takes long, and
//! requests and sessions do not wait for it: they have threads of their own.

use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle, Runtime};

/// Half of the processors do, at most as many as this. A thread that a writer or a session
/// shares its processor with delays them.
const MAX_THREADS: usize = 4;

/// A runtime for the tasks of subscribers. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct SubscriberThreads(Arc<Owned>);

#[derive(Debug)]
struct Owned(Option<Runtime>, Handle);

impl SubscriberThreads {
    pub(super) fn start() -> io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads((processors / 2).clamp(1, MAX_THREADS))
            .thread_name("dlm-subscribers")
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self(Arc::new(Owned(Some(runtime), handle))))
    }

    pub(super) fn handle(&self) -> &Handle {
        let Owned(_, handle) = &*self.0;
        handle
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // The tasks are joined by their tracker. A runtime must not wait for its threads where
        // another one runs.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn subscribers_have_threads_of_their_own_until_the_server_is_dropped() {
        let threads = SubscriberThreads::start().unwrap();
        let tasks = tokio_util::task::TaskTracker::new();
        let name = || std::thread::current().name().map(str::to_owned);
        let named = tasks.spawn_on(async move { name() }, threads.handle());
        assert_eq!(named.await.unwrap().as_deref(), Some("dlm-subscribers"));
        let waiting = tasks.spawn_on(std::future::pending::<()>(), threads.handle());
        // Within a runtime, which must not be blocked.
        drop(threads);
        assert!(waiting.await.unwrap_err().is_cancelled());
    }
}
