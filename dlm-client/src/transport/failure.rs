//! Why an attempt had no answer of the kind that was hoped for.

use std::fmt;
use std::time::Duration;

use dlm_protocol::{Problem, ProblemCode, RenewResult};

/// What was underneath.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// One attempt that failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server answered with a problem.
    Problem { problem: Box<Problem>, retry_after: Option<Duration> },
    /// There was no connection: the request was not sent.
    Unreached(Cause),
    /// The connection ended before the answer was there.
    Broken(Cause),
    /// No answer in this time.
    TimedOut(Duration),
    /// An answer that is not of the contract.
    Unexpected { status: u16, what: String, retry_after: Option<Duration> },
}

impl Failure {
    /// From an error of an attempt that was to take `timeout` at most.
    pub(crate) fn of(error: reqwest::Error, timeout: Duration) -> Self {
        // The address may be of use to an attacker and is of none to the reader.
        let error = error.without_url();
        if error.is_connect() {
            Self::Unreached(error.into())
        } else if error.is_timeout() {
            Self::TimedOut(timeout)
        } else {
            Self::Broken(error.into())
        }
    }

    /// From a problem that came over the session.
    pub(crate) fn of_problem(problem: Box<Problem>) -> Self {
        let waits = matches!(problem.code, ProblemCode::Unavailable | ProblemCode::QuotaExceeded);
        let retry_after = problem.retry_after_ms.filter(|_| waits).map(Duration::from_millis);
        Self::Problem { problem, retry_after }
    }

    /// What the types of the contract admit can be written as a request; should
    /// it once not be so, it is told as the refusal that the server would have
    /// sent.
    pub(crate) fn unsendable(why: &dyn std::error::Error) -> Self {
        let detail = format!("the request can't be written: {why}");
        let problem = Problem::new(ProblemCode::InvalidRequest, 400, detail);
        Self::Problem { problem: Box::new(problem), retry_after: None }
    }

    /// Whether it may pass by itself, so that a repeat makes sense. An internal
    /// error of the server may, but does so seldom enough to be told.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreached(_) | Self::Broken(_) | Self::TimedOut(_) => true,
            Self::Problem { problem, .. } => {
                matches!(problem.code, ProblemCode::Unavailable | ProblemCode::QuotaExceeded)
                    || Self::is_passing_status(problem.status)
            }
            Self::Unexpected { status, .. } => Self::is_passing_status(*status),
        }
    }

    /// Whether another server might do better.
    pub(crate) fn is_of_the_server(&self) -> bool {
        match self {
            Self::Unreached(_) | Self::Broken(_) | Self::TimedOut(_) => true,
            Self::Problem { problem, .. } => problem.code == ProblemCode::Unavailable,
            Self::Unexpected { status, .. } => matches!(status, 502..=504),
        }
    }

    /// Whether the request may have had an effect at the server.
    pub(crate) fn may_have_arrived(&self) -> bool {
        !matches!(self, Self::Unreached(_))
    }

    /// The code of the server's problem.
    pub(crate) fn code(&self) -> Option<ProblemCode> {
        match self {
            Self::Problem { problem, .. } => Some(problem.code),
            _ => None,
        }
    }

    /// How long the server asked to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem { retry_after, .. } | Self::Unexpected { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn is_passing_status(status: u16) -> bool {
        matches!(status, 408 | 429 | 502 | 503 | 504)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem { problem, .. } => write!(f, "{} ({})", problem.detail, problem.code.as_str()),
            Self::Unreached(error) => write!(f, "the server can't be reached: {}", root(&**error)),
            Self::Broken(error) => write!(f, "the connection broke before the answer: {}", root(&**error)),
            Self::TimedOut(time) => write!(f, "no answer from the server within {time:?}"),
            Self::Unexpected { status, what, .. } => {
                write!(f, "the answer is not one of a dlm server: status {status}, {what}")
            }
        }
    }
}

/// Whether some of a renewal's leases could not be renewed at this server.
pub(super) fn any_unavailable(results: &[RenewResult]) -> bool {
    let is_it = |result: &RenewResult| match result {
        RenewResult::Problem(problem) => problem.code == ProblemCode::Unavailable,
        RenewResult::Lease(_) => false,
    };
    results.iter().any(is_it)
}

/// The innermost cause: what stands around it says only where it happened.
fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a dyn std::error::Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause
}
