//! The acquires that go wrong.

use std::sync::{Mutex, PoisonError};

use dlm_protocol::{Problem, ProblemCode, SessionBody, SessionMessage, SessionOp, SessionRequest};
use serde::Deserialize;

/// What happens to an acquire, instead of being executed; see
/// [`TestServer::next_acquire`](crate::TestServer::next_acquire).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcquireFault {
    /// Its wait times out at once; a `try_lock` finds the lock held. A request that waits without
    /// a limit begins again.
    TimesOut,
    /// The server fails, with the problem `internal-error`.
    Fails,
    /// There is no reply.
    Hangs,
}

/// The faults to come, each with the name of its lock.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<(String, AcquireFault)>>);

/// What to do with an acquire.
pub(crate) enum Verdict {
    PassOn,
    Reply(Box<Problem>),
    Swallow,
}

/// The part of an acquire's body that its problem depends on.
#[derive(Deserialize)]
struct Body {
    wait_ms: Option<u64>,
}

impl Faults {
    pub(crate) fn add(&self, name: &str, fault: AcquireFault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), fault));
    }

    /// Decides on an acquire over HTTP.
    pub(crate) fn on_http(&self, name: &str, body: &[u8]) -> Verdict {
        let waits =
            serde_json::from_slice(body).is_ok_and(|body: Body| body.wait_ms.is_some_and(|ms| ms > 0));
        self.verdict(name, waits)
    }

    /// Decides on a frame of a session. The reply is a whole message.
    pub(crate) fn on_frame(&self, text: &str) -> Option<Option<String>> {
        let request: SessionRequest = serde_json::from_str(text).ok()?;
        if request.op != SessionOp::Acquire {
            return None;
        }
        let waits = request.wait_ms.is_some_and(|wait| wait.as_millis() > 0);
        match self.verdict(request.resource?.as_str(), waits) {
            Verdict::PassOn => None,
            Verdict::Swallow => Some(None),
            Verdict::Reply(problem) => {
                let body = SessionBody::Problem(problem);
                let message = SessionMessage::Reply { id: Some(request.id), body };
                Some(serde_json::to_string(&message).ok())
            }
        }
    }

    fn verdict(&self, name: &str, waits: bool) -> Verdict {
        match (self.take(name), waits) {
            (None, _) => Verdict::PassOn,
            (Some(AcquireFault::Hangs), _) => Verdict::Swallow,
            (Some(AcquireFault::Fails), _) => problem(ProblemCode::InternalError, 500),
            (Some(AcquireFault::TimesOut), true) => problem(ProblemCode::WaitTimeout, 423),
            (Some(AcquireFault::TimesOut), false) => problem(ProblemCode::LockHeld, 423),
        }
    }

    fn take(&self, name: &str) -> Option<AcquireFault> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = faults.iter().position(|(of, _)| of == name)?;
        Some(faults.remove(index).1)
    }
}

fn problem(code: ProblemCode, status: u16) -> Verdict {
    let mut problem = Problem::new(code, status, "the test wants it so");
    "of-the-test".clone_into(&mut problem.request_id);
    if status == 423 {
        (problem.holders, problem.queue_len) = (Some(Vec::new()), Some(0));
        problem.retry_after_ms = Some(0);
    }
    Verdict::Reply(Box::new(problem))
}
