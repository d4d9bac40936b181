//! Outcomes and problems as responses.

use bytes::Bytes;
use dlm_protocol::{Problem, ProblemCode, RenewResult, Renewed};
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::service::{Error, Outcome};

pub(super) type Reply = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A request that the transport, or the service, refused.
#[derive(Debug)]
pub(super) struct Refused {
    problem: Box<Problem>,
    allow: Option<String>,
    close: bool,
}

impl Refused {
    pub(super) fn new(code: ProblemCode, status: u16, detail: impl Into<String>) -> Self {
        Self { problem: Box::new(Problem::new(code, status, detail)), allow: None, close: false }
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidRequest, 400, detail)
    }

    pub(super) fn not_found() -> Self {
        Self::new(ProblemCode::NotFound, 404, "nothing is at this address")
    }

    pub(super) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("this address answers {allow}");
        Self { allow: Some(allow), ..Self::new(ProblemCode::MethodNotAllowed, 405, detail) }
    }

    /// The rest of the request was not read: the connection can't go on.
    pub(super) fn closing(self) -> Self {
        Self { close: true, ..self }
    }

    pub(super) fn status(&self) -> u16 {
        self.problem.status
    }

    pub(super) fn into_reply(mut self, request_id: &str) -> Reply {
        self.problem.request_id = request_id.to_owned();
        let mut reply = json(self.problem.status, PROBLEM, &self.problem);
        let headers = reply.headers_mut();
        if let Some(ms) = self.problem.retry_after_ms.filter(|_| matches!(self.problem.status, 429 | 503)) {
            headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1)));
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            headers.insert(ALLOW, allow);
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { problem: Box::new(problem(error)), allow: None, close: false }
    }
}

/// The one place that knows which refusal has which status and code.
fn problem(error: Error) -> Problem {
    let (code, status) = match &error {
        Error::LockHeld { .. } => (ProblemCode::LockHeld, 423),
        Error::WaitTimeout { .. } => (ProblemCode::WaitTimeout, 423),
        Error::LeaseEnded { by_key: true, .. } => (ProblemCode::LeaseEnded, 409),
        Error::LeaseEnded { by_key: false, .. } => (ProblemCode::LeaseEnded, 410),
        Error::NotHolder => (ProblemCode::NotHolder, 403),
        Error::HolderChanged { .. } => (ProblemCode::HolderChanged, 409),
        Error::KeyReused => (ProblemCode::IdempotencyKeyReused, 422),
        Error::InvalidCursor => (ProblemCode::InvalidCursor, 400),
        Error::CursorExpired => (ProblemCode::CursorExpired, 410),
        Error::Invalid { .. } => (ProblemCode::InvalidRequest, 400),
        Error::Unavailable { .. } => (ProblemCode::Unavailable, 503),
        Error::Internal => (ProblemCode::InternalError, 500),
    };
    let mut problem = Problem::new(code, status, error.to_string());
    match error {
        Error::LockHeld { holders, queue_len, retry_after_ms }
        | Error::WaitTimeout { holders, queue_len, retry_after_ms } => {
            problem.holders = Some(holders);
            problem.queue_len = Some(queue_len);
            problem.retry_after_ms = Some(retry_after_ms);
        }
        Error::LeaseEnded { reason, .. } => problem.reason = Some(reason),
        Error::HolderChanged { holders } => problem.holders = Some(holders),
        Error::Unavailable { retry_after, .. } => {
            problem.retry_after_ms = Some(u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX));
        }
        _ => {}
    }
    problem
}

/// An outcome as the body of its operation.
pub(super) fn outcome(outcome: Outcome, request_id: &str) -> Reply {
    match outcome {
        Outcome::Lease(lease) => json(200, JSON, &lease),
        Outcome::Queued(queued) => json(202, JSON, &queued),
        Outcome::Cancelled(cancelled) => json(200, JSON, &cancelled),
        Outcome::Renewed(results) => {
            let results = results.into_iter().map(|result| match result {
                Ok(lease) => RenewResult::Lease(Box::new(lease)),
                Err(error) => {
                    let mut problem = problem(error);
                    problem.request_id = request_id.to_owned();
                    RenewResult::Problem(Box::new(problem))
                }
            });
            json(200, JSON, &Renewed { results: results.collect() })
        }
        Outcome::Released(released) => json(200, JSON, &released),
        Outcome::ForceReleased(released) => json(200, JSON, &released),
        Outcome::Checked(checked) => json(200, JSON, &checked),
        Outcome::Status(status) => json(200, JSON, &status),
        Outcome::Locks(page) => json(200, JSON, &page),
        Outcome::Events(page) => json(200, JSON, &page),
    }
}

fn json(status: u16, content_type: HeaderValue, body: &impl Serialize) -> Reply {
    match serde_json::to_vec(body) {
        Ok(body) => bytes(status, content_type, Bytes::from(body)),
        Err(error) => {
            tracing::error!(%error, "an answer can't be written");
            bytes(500, PROBLEM, Bytes::new())
        }
    }
}

/// A response whose body is text of this type.
pub(super) fn text(content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    bytes(200, HeaderValue::from_static(content_type), body.into())
}

fn bytes(status: u16, content_type: HeaderValue, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_unavailable_server_says_when_to_come_back() {
        let error = Error::Unavailable { why: "down", retry_after: Duration::from_millis(1200) };
        let reply = Refused::from(error).into_reply("r-1");
        assert_eq!(reply.status(), 503);
        assert_eq!(reply.headers()[RETRY_AFTER], "2");
        assert_eq!(reply.headers()[CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn a_lease_that_ended_is_gone_for_its_id_and_a_conflict_for_its_key() {
        let ended = |by_key| Error::LeaseEnded { reason: dlm_protocol::EndReason::Expired, by_key };
        assert_eq!(problem(ended(true)).status, 409);
        assert_eq!(problem(ended(false)).status, 410);
    }
}
