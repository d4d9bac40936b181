//! Who gets the result of an operation.

use std::fmt;

use dlm_protocol::SessionBody;
use tokio::sync::oneshot;

use crate::clock::BootInstant;
use crate::request_error::RequestError;
use crate::transport::answer::Answer;

/// The result of an operation over the session.
pub(crate) type SessionResult = Result<Answer<SessionBody>, RequestError>;

/// What follows an operation that needs no task while its reply comes soon. A task for each
/// would take most of the client's time.
pub(crate) trait Continuation: Send {
    /// Whether nobody waits for the result any more.
    fn is_abandoned(&self) -> bool;

    /// Handles the result. Called on the client thread, and must not block.
    fn complete(self: Box<Self>, result: SessionResult);

    /// Goes on in a task, because the reply did not come soon.
    fn wait(self: Box<Self>, reply: PendingReply);
}

/// A reply that has not come yet.
#[derive(Debug)]
pub(crate) struct PendingReply {
    pub(super) receiver: oneshot::Receiver<SessionResult>,
    /// When its operation was submitted.
    pub(super) submitted_at: BootInstant,
}

/// Who gets the result of an operation.
pub(super) enum Recipient {
    Task(oneshot::Sender<SessionResult>),
    Continuation(Box<dyn Continuation>),
}

impl Recipient {
    /// The recipient of an operation that was not sent; `None` if nobody waits for the
    /// result any more.
    pub(super) fn unless_gone(self) -> Option<Self> {
        match self {
            Self::Task(reply) if reply.is_closed() => None,
            Self::Continuation(continuation) if continuation.is_abandoned() => {
                continuation.complete(Err(RequestError::Connect("the caller gave up".into())));
                None
            }
            recipient => Some(recipient),
        }
    }

    pub(super) fn complete(self, result: SessionResult) {
        match self {
            // The receiver may have given up.
            Self::Task(reply) => drop(reply.send(result)),
            Self::Continuation(continuation) => continuation.complete(result),
        }
    }

    /// Makes a continuation go on in a task.
    pub(super) fn wait(self, submitted_at: BootInstant) -> Self {
        match self {
            Self::Task(_) => self,
            Self::Continuation(continuation) => {
                let (reply, receiver) = oneshot::channel();
                continuation.wait(PendingReply { receiver, submitted_at });
                Self::Task(reply)
            }
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Task(_) => "Task",
            Self::Continuation(_) => "Continuation",
        })
    }
}
