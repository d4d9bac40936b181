//! The handle through which clients and guards reach the client thread.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

use super::command::WorkerCommand;
use super::context::WorkerContext;
use crate::clock::BootInstant;
use crate::error::Error;

/// A handle to the client thread. The thread ends when all handles are dropped
/// and the pending releases are done.
///
/// Operations stand beside their implementation, in further `impl Handle` blocks.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(super) commands: mpsc::UnboundedSender<WorkerCommand>,
    context: Arc<WorkerContext>,
}

impl Handle {
    pub(super) fn new(commands: mpsc::UnboundedSender<WorkerCommand>, context: Arc<WorkerContext>) -> Self {
        Self { commands, context }
    }

    pub(crate) fn context(&self) -> &Arc<WorkerContext> {
        &self.context
    }

    /// The current time on the client's clock.
    pub(crate) fn now(&self) -> BootInstant {
        self.context.now()
    }

    /// Runs `work` on the thread and waits for its result. Fails if the client is
    /// closed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, `work` continues and its result is dropped.
    pub(crate) async fn call<T, W>(&self, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.call_with(|reply| async move {
            // The caller may have given up.
            let _ = reply.send(work.await);
        })
        .await
    }

    /// Runs a task that sends its result itself, so that it can notice when the
    /// caller gives up. Fails if the client is closed.
    pub(crate) async fn call_with<T, W>(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> W,
    ) -> Result<T, Error>
    where
        W: Future<Output = ()> + Send + 'static,
    {
        if self.context.closing.is_cancelled() {
            return Err(Error::closed());
        }
        let (reply, receiver) = oneshot::channel();
        self.send(WorkerCommand::Spawn(Box::pin(work(reply).in_current_span())));
        receiver.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// Why the thread did not reply.
    pub(crate) fn gone(&self) -> Error {
        self.context.thread.gone()
    }

    /// Spawns a task that ends with the thread.
    pub(crate) fn spawn_detached(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.send(WorkerCommand::SpawnDetached(Box::pin(task.in_current_span())));
    }

    /// Sends a command. Starts the thread, if it was not started yet. If it has ended, the
    /// command is dropped: guards are then lost at their deadlines, and leases expire at the
    /// server.
    pub(crate) fn send(&self, command: WorkerCommand) {
        if !self.context.thread.is_started() {
            self.start_thread();
        }
        let _ = self.commands.send(command);
    }
}
