//! Outcomes and problems as responses.

use std::time::UNIX_EPOCH;

use bytes::Bytes;
use dlm_protocol::{AccessRule, Problem, ProblemCode, RenewResult, Renewed, Ticket, Timestamp, WhoAmI};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::reply_body::ReplyBody;
use crate::auth::{Authentication, Limits, Policy, Principal, Rule};
use crate::problem::{problem, renew_result};
use crate::service::{Denial, Error, Outcome};

pub(super) type HttpResponse = Response<ReplyBody>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// A response for programs loads nothing and may not be framed.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A request that the transport or the service rejected.
#[derive(Debug)]
pub(super) struct Rejection {
    problem: Box<Problem>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What the audit log has of it.
    denial: Option<Box<Denial>>,
    /// Whose credential was refused, if it is known.
    claimed: Option<Principal>,
}

/// The response to a HEAD request. hyper omits the body over HTTP/1 only.
pub(super) fn without_body(response: HttpResponse) -> HttpResponse {
    let (mut parts, body) = response.into_parts();
    let length = body.into_bytes().len();
    if length > 0 {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, ReplyBody::default())
}

impl Rejection {
    pub(super) fn new(code: ProblemCode, status: u16, detail: impl Into<String>) -> Self {
        let problem = Problem::new(code, status, detail);
        let denial = Denial::by_code(code, &problem.detail).map(Box::new);
        Self { problem: Box::new(problem), headers: Vec::new(), denial, claimed: None }
    }

    /// Sets the reason of a denial in the audit log, and whose credential was refused.
    pub(super) fn denied(&mut self, code: &'static str, claimed: Option<Principal>) {
        if let Some(denial) = &mut self.denial {
            denial.code = code;
        }
        self.claimed = claimed;
    }

    /// What the audit log has of it, and whose credential was refused.
    pub(super) fn denial(&self) -> Option<(&Denial, Option<&Principal>)> {
        self.denial.as_deref().map(|denial| (denial, self.claimed.as_ref()))
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidRequest, 400, detail)
    }

    pub(super) fn not_found(path: &str) -> Self {
        let below_lock = ["/v1/locks/", "/locks/"].iter().any(|locks| path.starts_with(locks));
        let detail = match below_lock {
            true => {
                "there is nothing at this path: the name of a lock is one segment, in which `/` is `%2F`; \
                 if the client sent it so, a proxy has decoded it, and must pass the path unchanged"
            }
            false => "there is nothing at this path",
        };
        Self::new(ProblemCode::NotFound, 404, detail)
    }

    pub(super) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("this path allows {allow}");
        let mut rejection = Self::new(ProblemCode::MethodNotAllowed, 405, detail);
        if let Ok(allow) = HeaderValue::try_from(allow) {
            rejection.add_header(ALLOW, allow);
        }
        rejection
    }

    /// Closes the connection, because the rest of the request was not read.
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

    pub(super) fn into_response(mut self, request_id: &str) -> HttpResponse {
        self.problem.request_id = request_id.to_owned();
        let mut response = json(self.problem.status, PROBLEM, &self.problem);
        let headers = response.headers_mut();
        if let Some(ms) = self.problem.retry_after_ms.filter(|_| matches!(self.problem.status, 429 | 503)) {
            headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1)));
        }
        headers.extend(self.headers);
        response
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        let denial = Denial::of(&error).map(Box::new);
        Self { problem: Box::new(problem(error)), headers: Vec::new(), denial, claimed: None }
    }
}

/// Encodes an outcome.
pub(super) fn outcome(outcome: Outcome, request_id: &str) -> HttpResponse {
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
        Outcome::ReleaseRequested(requested) => json(200, JSON, &requested),
        Outcome::Checked(checked) => json(200, JSON, &checked),
        Outcome::Status(status) => json(200, JSON, &status),
        Outcome::Locks(page) => json(200, JSON, &page),
        Outcome::Events(page) => json(200, JSON, &page),
        Outcome::WaitGraph(graph) => json(200, JSON, &graph),
        Outcome::Explanation(explanation) => json(200, JSON, &explanation),
        Outcome::HoldStatistics(list) => json(200, JSON, &list),
        Outcome::Owners(page) => json(200, JSON, &page),
        Outcome::Owner(details) => json(200, JSON, &details),
        Outcome::Principal(details) => json(200, JSON, &details),
        Outcome::State(state) => json(200, JSON, &state),
        Outcome::Overview(overview) => json(200, JSON, &overview),
    }
}

/// Who the caller is and what it may do.
pub(super) fn who_am_i(policy: &Policy, caller: &Authentication) -> HttpResponse {
    let rules = policy.rules(caller.principal());
    let expires_at = caller.expires_at().map(|at| {
        let micros = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    });
    let who = WhoAmI {
        principal: caller.principal().name().to_string(),
        rules: rules.into_iter().flat_map(|rules| rules.iter()).map(|rule| access_rule(rule)).collect(),
        expires_at,
    };
    json(200, JSON, &who)
}

pub(super) fn ticket(ticket: &Ticket) -> HttpResponse {
    json(200, JSON, ticket)
}

fn access_rule(rule: &Rule) -> AccessRule {
    let Limits { max_ttl_ms, max_wait_ms, max_leases, max_waiters, requests_per_second } = rule.limits;
    AccessRule {
        role: rule.role.into(),
        prefix: rule.prefix.as_str().to_owned(),
        max_ttl_ms,
        max_wait_ms,
        max_leases,
        max_waiters,
        requests_per_second,
    }
}

fn json(status: u16, content_type: HeaderValue, body: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(body) => bytes(status, content_type, Bytes::from(body)),
        Err(error) => {
            tracing::error!(%error, "response could not be serialized");
            bytes(500, PROBLEM, Bytes::new())
        }
    }
}

/// A response with a text body.
pub(super) fn text(content_type: &'static str, body: impl Into<Bytes>) -> HttpResponse {
    bytes(200, HeaderValue::from_static(content_type), body.into())
}

fn bytes(status: u16, content_type: HeaderValue, body: Bytes) -> HttpResponse {
    let mut response = Response::new(ReplyBody::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_unavailable_response_says_when_to_retry() {
        let error = Error::Unavailable { why: "down", retry_after: Duration::from_millis(1200) };
        let response = Rejection::from(error).into_response("r-1");
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }
}
