//! Whether the client thread was started, and why it could not be.

use std::sync::{Mutex, Once, OnceLock, PoisonError};

use tokio::sync::mpsc;

use super::command::WorkerCommand;
use crate::error::Error;

pub(super) type Inbox = mpsc::UnboundedReceiver<WorkerCommand>;

/// The client thread, which is started when it first has something to do.
#[derive(Debug)]
pub(crate) struct ClientThread {
    started: Once,
    /// Taken by the thread.
    inbox: Mutex<Option<Inbox>>,
    failure: OnceLock<String>,
}

impl ClientThread {
    pub(super) fn new(inbox: Inbox) -> Self {
        Self { started: Once::new(), inbox: Mutex::new(Some(inbox)), failure: OnceLock::new() }
    }

    pub(super) fn is_started(&self) -> bool {
        self.started.is_completed()
    }

    /// Calls `start` with the inbox, the first time.
    pub(super) fn start_once(&self, start: impl FnOnce(Inbox)) {
        self.started.call_once(|| {
            let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(inbox) = inbox {
                start(inbox);
            }
        });
    }

    /// Records why the thread could not be started. Its inbox is dropped after that.
    pub(super) fn failed(&self, why: &std::io::Error) {
        // There is one attempt.
        let _ = self.failure.set(why.to_string());
    }

    /// Why nobody replies to a command: the thread could not be started, or has ended.
    pub(super) fn gone(&self) -> Error {
        match self.failure.get() {
            Some(why) => Error::setup("could not start the client thread", why.as_str()),
            None => Error::closed(),
        }
    }
}
