//! What can be asked of a writer, and its answers.

use dlm_engine::{ClaimKey, Micros, Op, Refusal, Reply};
use tokio::sync::oneshot;

use crate::store::{Name, Store};

/// Names one request of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RequestId(pub(crate) u64);

/// What is done on a writer's store between two batches.
pub(crate) type Chore = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// One thing for the writer to do.
pub(crate) enum Job {
    Execute(Execute),
    Leave(Leave),
    /// See whether a wait that is held open here has ended elsewhere.
    Recheck(Name, ClaimKey),
    /// Something to do in a transaction of its own.
    Chore(Chore),
    /// Finish what came before and end.
    Stop,
}

/// An operation that a caller waits for.
#[derive(Debug)]
pub(crate) struct Execute {
    pub(crate) name: Name,
    pub(crate) op: Op,
    pub(crate) caller: Caller,
}

/// A request of a waiter is held open no longer.
#[derive(Debug)]
pub(crate) struct Leave {
    pub(crate) name: Name,
    pub(crate) key: ClaimKey,
    /// `None` for one that was answered already, because the database could not
    /// be told of its wait, or of its end.
    pub(crate) request: Option<RequestId>,
    pub(crate) can_return: bool,
}

/// Who is to be answered.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) request: RequestId,
    pub(crate) answer: oneshot::Sender<Answer>,
}

impl Caller {
    /// Answers, if somebody still listens.
    pub(crate) fn answer(self, outcome: Result<Done, Failure>, first_now: Micros) {
        self.answer.send(Answer { outcome, first_now }).ok();
    }
}

/// What became of an operation.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Result<Done, Failure>,
    /// The deciding clock in the first transaction that handled the request.
    pub(crate) first_now: Micros,
}

/// What was done.
#[derive(Debug)]
pub(crate) enum Done {
    Reply(Reply),
    /// The request left the queue's line of sight before the wait ended.
    StillQueued,
}

/// Why it was not done.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    Refused(Refusal),
    /// The store can't be used now, or what became of the batch is not known.
    Unavailable,
    /// The database does not take this operation.
    Internal,
}
