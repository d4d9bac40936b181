//! How an inbox orders jobs.
//!
//! - `order`: by example
//! - `random`: as properties of random jobs
//! - `fairness`: among principals

mod fairness;
mod order;
mod random;

use std::sync::Arc;

use dlm_engine::{ClaimKey, KnowsKey, Mode, Op, Request};
use tokio::sync::oneshot;

use super::{Inbox, order_tag};
use crate::store::Name;
use crate::writer::job::{
    Admission, Caller, Execute, Job, Leave, OperationResult, RequestId, SessionId, Unexecuted,
};
use crate::writer::replies::ReplyTo;

pub(super) type Answer = oneshot::Receiver<OperationResult>;

/// What a test enqueues. Its number identifies it.
pub(super) fn execute(number: u64, name: &str, session: Option<u64>, op: Op) -> (Job, Answer) {
    let (reply, answer) = oneshot::channel();
    let caller = Caller { request: RequestId(number), reply: ReplyTo::Future(reply) };
    let session = session.map(SessionId);
    let (name, admission) = (Name::from(name), Admission::UNLIMITED);
    // Maintenance aside, whoever sends an operation without a key is the anonymous principal.
    let sender = Some(order_tag::key_of(&op).map_or_else(|| "".into(), |key| Arc::clone(&key.principal)));
    (Job::Execute(Execute { sender, name, op, session, admission, caller }), answer)
}

pub(super) fn acquire(key: &str) -> Op {
    acquire_of("", key)
}

/// An acquire of a principal.
pub(super) fn acquire_of(principal: &str, key: &str) -> Op {
    let request = Request {
        mode: Mode::Exclusive,
        ttl_ms: 30_000,
        wait_ms: 30_000,
        owner: "".into(),
        metadata: "{}".into(),
    };
    Op::Acquire { key: ClaimKey::new(principal, key), request: Arc::new(request) }
}

pub(super) fn renew(key: &str) -> Op {
    Op::Renew { key: ClaimKey::new("", key), token: 1, ttl_ms: None }
}

pub(super) fn cancel(key: &str) -> Op {
    Op::Cancel { key: ClaimKey::new("", key) }
}

pub(super) fn leave(name: &str, key: &str, request: Option<u64>, unexecuted: Unexecuted) -> Job {
    Job::Leave(Leave {
        sender: "".into(),
        name: Name::from(name),
        key: ClaimKey::new("", key),
        request: request.map(RequestId),
        knows_key: KnowsKey::Yes,
        unexecuted,
    })
}

/// The number of an operation; of a leave, that of its request.
pub(super) fn number(job: &Job) -> u64 {
    match job {
        Job::Execute(execute) => execute.caller.request.0,
        Job::Leave(leave) => leave.request.map_or(0, |request| request.0),
        Job::Recheck(..) | Job::Maintenance(_) => 0,
    }
}

pub(super) fn take(inbox: &Inbox, room: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    inbox.take(room, &mut jobs);
    jobs
}

pub(super) fn take_numbers(inbox: &Inbox, room: usize) -> Vec<u64> {
    take(inbox, room).iter().map(number).collect()
}
