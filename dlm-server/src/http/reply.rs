//! Outcomes and problems as responses.

use bytes::Bytes;
use dlm_protocol::{Problem, ProblemCode, RenewResult, Renewed};
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::problem::{problem, renew_result};
use crate::service::{Error, Outcome};

pub(super) type Reply = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What is meant for programs loads nothing and stands in no page.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A request that the transport, or the service, refused.
#[derive(Debug)]
pub(super) struct Refused {
    problem: Box<Problem>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    pub(super) fn new(code: ProblemCode, status: u16, detail: impl Into<String>) -> Self {
        Self { problem: Box::new(Problem::new(code, status, detail)), headers: Vec::new() }
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidRequest, 400, detail)
    }

    pub(super) fn not_found() -> Self {
        Self::new(ProblemCode::NotFound, 404, "nothing is at this address")
    }

    pub(super) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("this address answers {allow}");
        let mut refused = Self::new(ProblemCode::MethodNotAllowed, 405, detail);
        if let Ok(allow) = HeaderValue::try_from(allow) {
            refused.add_header(ALLOW, allow);
        }
        refused
    }

    /// The rest of the request was not read: the connection can't go on.
    pub(super) fn closing(mut self) -> Self {
        self.add_header(CONNECTION, HeaderValue::from_static("close"));
        self
    }

    pub(super) fn add_header(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.push((name, value));
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
        headers.extend(self.headers);
        reply
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { problem: Box::new(problem(error)), headers: Vec::new() }
    }
}

/// An outcome as the body of its operation.
pub(super) fn outcome(outcome: Outcome, request_id: &str) -> Reply {
    match outcome {
        Outcome::Lease(lease) => json(200, JSON, &lease),
        Outcome::Queued(queued) => json(202, JSON, &queued),
        Outcome::Cancelled(cancelled) => json(200, JSON, &cancelled),
        Outcome::Renewed(results) => {
            let results = results.into_iter().map(renew_result).map(|mut result| {
                if let RenewResult::Problem(problem) = &mut result {
                    problem.request_id = request_id.to_owned();
                }
                result
            });
            json(200, JSON, &Renewed { results: results.collect() })
        }
        Outcome::Released(released) => json(200, JSON, &released),
        Outcome::ForceReleased(released) => json(200, JSON, &released),
        Outcome::Checked(checked) => json(200, JSON, &checked),
        Outcome::Status(status) => json(200, JSON, &status),
        Outcome::Locks(page) => json(200, JSON, &page),
        Outcome::Events(page) => json(200, JSON, &page),
        Outcome::Overview(overview) => json(200, JSON, &overview),
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
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
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
}
