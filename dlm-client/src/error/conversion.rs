//! Errors from the replies of a server and from failed requests.

use std::time::Duration;

use dlm_protocol::{InvalidValue, Problem, ProblemCode};

use super::{Error, ErrorKind};
use crate::certificate_error;
use crate::loss::LossReason;
use crate::request_error::{RequestError, retry_after_of};

impl Error {
    fn from_problem(problem: Problem, retry_after: Option<Duration>) -> Self {
        let retry_after = retry_after.or_else(|| retry_after_of(&problem));
        let kind = match problem.code {
            ProblemCode::LockHeld => ErrorKind::Held,
            ProblemCode::WaitTimeout => ErrorKind::Timeout,
            ProblemCode::LeaseEnded => ErrorKind::Lost(LossReason::from_end_reason(problem.reason)),
            ProblemCode::NotHolder => ErrorKind::Lost(LossReason::Unknown),
            ProblemCode::InvalidRequest
            | ProblemCode::InvalidName
            | ProblemCode::InvalidCursor
            | ProblemCode::IdempotencyKeyReused => ErrorKind::Invalid,
            ProblemCode::Unavailable => ErrorKind::Unavailable,
            ProblemCode::QuotaExceeded => ErrorKind::QuotaExceeded,
            ProblemCode::Unauthenticated => ErrorKind::Unauthenticated,
            ProblemCode::Forbidden => ErrorKind::Forbidden,
            ProblemCode::NotFound | ProblemCode::MethodNotAllowed => ErrorKind::UnexpectedReply,
            _ => ErrorKind::Rejected,
        };
        let retryable = problem.status >= 500
            || matches!(
                kind,
                ErrorKind::Held | ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::QuotaExceeded
            );
        let mut message = problem.detail;
        if message.is_empty() {
            message = problem.title;
        }
        if !problem.request_id.is_empty() {
            message = format!("{message} (request {})", problem.request_id);
        }
        let mut error = Self::new(kind, message);
        error.0.retryable = retryable;
        error.0.code = Some(problem.code);
        error.0.holders = problem.holders.unwrap_or_default();
        error.0.required = problem.required;
        error.0.quota = problem.quota;
        error.0.retry_after = retry_after;
        error.0.request_id = Some(problem.request_id).filter(|id| !id.is_empty());
        error
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        let mut retryable = error.is_transient();
        let (message, retry_after) = (error.without_cause(), error.retry_after());
        let (kind, source) = match error {
            RequestError::Problem { problem, retry_after } => {
                return Self::from_problem(*problem, retry_after);
            }
            RequestError::TokenUnavailable(source) => (ErrorKind::Unauthenticated, Some(source)),
            RequestError::Connect(source) => {
                // The certificate would have to change first.
                retryable &= certificate_error::describe(&*source).is_none();
                (ErrorKind::Connect, Some(source))
            }
            RequestError::ConnectionLost(source) => (ErrorKind::ConnectionLost, Some(source)),
            RequestError::TimedOut(_) => (ErrorKind::Timeout, None),
            // From a proxy that authenticates in the server's place.
            RequestError::UnexpectedReply { status: 401, .. } => (ErrorKind::Unauthenticated, None),
            RequestError::UnexpectedReply { .. } => (ErrorKind::UnexpectedReply, None),
        };
        let mut error = Self::new(kind, message);
        error.0.retryable = retryable;
        error.0.retry_after = retry_after;
        error.0.source = source;
        error
    }
}

impl From<InvalidValue> for Error {
    fn from(invalid: InvalidValue) -> Self {
        Self::new(ErrorKind::Invalid, invalid.to_string())
    }
}
