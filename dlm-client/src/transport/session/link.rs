use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dlm_protocol::{SessionBody, SessionRequest};
use tokio::sync::{mpsc, oneshot, watch};

use crate::transport::failure::Failure;

/// An operation on its way to the socket.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) request: SessionRequest,
    pub(super) reply: oneshot::Sender<Result<SessionBody, Failure>>,
}

pub(super) type Queue = mpsc::UnboundedReceiver<Outgoing>;

/// The session, as the rest of the client has it.
#[derive(Debug)]
pub(crate) struct Link {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    queue: Mutex<Option<Queue>>,
    up: watch::Sender<bool>,
}

impl Link {
    pub(crate) fn new() -> Self {
        let (outgoing, queue) = mpsc::unbounded_channel();
        Self { outgoing, queue: Mutex::new(Some(queue)), up: watch::Sender::new(false) }
    }

    /// Whether the socket is up.
    pub(crate) fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Waits until the socket is up, for `timeout` at most.
    pub(crate) async fn until_up(&self, timeout: Duration) -> Result<(), Failure> {
        let mut up = self.up.subscribe();
        match tokio::time::timeout(timeout, up.wait_for(|up| *up)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Failure::Unreached("there is no session with any server".into())),
        }
    }

    /// Does one operation.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the operation is done all the same, and its answer ignored.
    pub(crate) async fn ask(
        &self,
        request: SessionRequest,
        timeout: Duration,
    ) -> Result<SessionBody, Failure> {
        let (reply, answer) = oneshot::channel();
        let gone = || Failure::Unreached("the client has ended".into());
        self.outgoing.send(Outgoing { request, reply }).map_err(|_| gone())?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(Failure::TimedOut(timeout)),
        }
    }

    pub(super) fn take_queue(&self) -> Option<Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn set_up(&self, up: bool) {
        self.up.send_replace(up);
    }
}
