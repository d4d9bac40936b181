//! Why one attempt of a request failed.

use std::fmt;
use std::time::Duration;

use dlm_protocol::{Problem, ProblemCode};

use crate::certificate_error;

/// Longer delays that a server asks for before a retry are capped to this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// The underlying error of a failed attempt.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// One failed attempt of a request, over HTTP or the session.
#[derive(Debug)]
pub(crate) enum RequestError {
    /// The server replied with a problem.
    Problem { problem: Box<Problem>, retry_after: Option<Duration> },
    /// There was no connection, so the request was not sent.
    Connect(Cause),
    /// There was no token, so the request was not sent.
    TokenUnavailable(Cause),
    /// The connection broke before the reply arrived.
    ConnectionLost(Cause),
    /// No reply arrived within this time.
    TimedOut(Duration),
    /// The reply does not follow the wire contract.
    UnexpectedReply { status: u16, what: String, retry_after: Option<Duration> },
}

impl RequestError {
    /// Converts the error of an HTTP attempt that had `timeout` to complete.
    pub(crate) fn from_http(error: reqwest::Error, timeout: Duration) -> Self {
        // The URL may help an attacker and does not help the reader.
        let error = error.without_url();
        if error.is_connect() {
            Self::Connect(error.into())
        } else if error.is_timeout() {
            Self::TimedOut(timeout)
        } else {
            Self::ConnectionLost(error.into())
        }
    }

    /// Converts a problem that arrived over the session.
    pub(crate) fn from_session_problem(problem: Box<Problem>) -> Self {
        let may_retry = matches!(problem.code, ProblemCode::Unavailable | ProblemCode::QuotaExceeded);
        let retry_after = retry_after_of(&problem).filter(|_| may_retry);
        Self::Problem { problem, retry_after }
    }

    /// Converts a problem that arrived over HTTP, with its `Retry-After` if it has one.
    pub(crate) fn from_http_problem(problem: Box<Problem>, retry_after: Option<Duration>) -> Self {
        let retry_after = retry_after.map(cap_retry_after).or_else(|| retry_after_of(&problem));
        Self::Problem { problem, retry_after }
    }

    /// Something replied that is not a dlm server.
    pub(crate) fn foreign_reply(status: u16, what: String, retry_after: Option<Duration>) -> Self {
        Self::UnexpectedReply { status, what, retry_after: retry_after.map(cap_retry_after) }
    }

    /// The request could not be encoded. The protocol types rule this out; it is
    /// reported as the rejection that the server would have sent.
    pub(crate) fn unencodable(why: &dyn std::error::Error) -> Self {
        let detail = format!("could not encode the request: {why}");
        let problem = Problem::new(ProblemCode::InvalidRequest, 400, detail);
        Self::Problem { problem: Box::new(problem), retry_after: None }
    }

    /// The reply arrived with a success status but could not be used.
    pub(crate) fn unexpected_reply(what: String) -> Self {
        Self::UnexpectedReply { status: 200, what, retry_after: None }
    }

    /// Whether a retry of the same request may succeed. Internal server errors
    /// are excluded: they rarely go away, and the caller should see them.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Connect(_) | Self::TokenUnavailable(_) | Self::ConnectionLost(_) | Self::TimedOut(_) => {
                true
            }
            Self::Problem { problem, .. } => {
                matches!(problem.code, ProblemCode::Unavailable | ProblemCode::QuotaExceeded)
                    || is_transient_status(problem.status)
            }
            Self::UnexpectedReply { status, .. } => is_transient_status(*status),
        }
    }

    /// Whether the server rejected the request for good: a retry would get the
    /// same answer. A refused credential may be replaced.
    pub(crate) fn is_rejection(&self) -> bool {
        matches!(self, Self::Problem { problem, .. } if problem.status < 500)
            && !self.is_transient()
            && !self.is_unauthenticated()
    }

    /// Whether another server might be able to handle the request.
    pub(crate) fn warrants_failover(&self) -> bool {
        match self {
            Self::Connect(_) | Self::ConnectionLost(_) | Self::TimedOut(_) => true,
            Self::Problem { problem, .. } => problem.code == ProblemCode::Unavailable,
            Self::UnexpectedReply { status, .. } => matches!(status, 502..=504),
            Self::TokenUnavailable(_) => false,
        }
    }

    /// Whether the server, or a proxy, refused the client's credential.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        match self {
            Self::Problem { problem, .. } => problem.status == 401,
            Self::UnexpectedReply { status, .. } => *status == 401,
            _ => false,
        }
    }

    /// Whether the client's credential is refused, or lacks a right. The request had no
    /// effect then, and a retry may succeed once the credential is replaced or the right
    /// is given.
    pub(crate) fn is_denial(&self) -> bool {
        self.is_unauthenticated() || self.code() == Some(ProblemCode::Forbidden)
    }

    /// Whether the request may have taken effect at the server.
    pub(crate) fn may_have_been_delivered(&self) -> bool {
        !matches!(self, Self::Connect(_) | Self::TokenUnavailable(_))
    }

    /// This error, as the outcome of a request of which an earlier attempt may have
    /// been delivered.
    pub(crate) fn after_attempt(self, may_have_been_delivered: bool) -> Self {
        match self {
            Self::Connect(cause) | Self::TokenUnavailable(cause) if may_have_been_delivered => {
                Self::ConnectionLost(cause)
            }
            error => error,
        }
    }

    /// The code of the server's problem.
    pub(crate) fn code(&self) -> Option<ProblemCode> {
        match self {
            Self::Problem { problem, .. } => Some(problem.code),
            _ => None,
        }
    }

    /// The delay that the server asked for before a retry.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem { retry_after, .. } | Self::UnexpectedReply { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl RequestError {
    /// What happened, without the message of the cause.
    pub(crate) fn without_cause(&self) -> String {
        match self {
            Self::Problem { problem, .. } => format!("{} ({})", problem.detail, problem.code.as_str()),
            Self::Connect(cause) => {
                certificate_error::describe(&**cause).unwrap_or("could not connect to the server").into()
            }
            Self::TokenUnavailable(_) => "the token provider has no token".into(),
            Self::ConnectionLost(_) => "the connection broke before the reply arrived".into(),
            Self::TimedOut(timeout) => format!("no reply from the server within {timeout:?}"),
            Self::UnexpectedReply { status, what, .. } => {
                format!("unexpected reply, check that the address is a dlm server: status {status}, {what}")
            }
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_cause())?;
        match self {
            Self::Connect(cause) | Self::TokenUnavailable(cause) | Self::ConnectionLost(cause) => {
                write!(f, ": {}", root(&**cause))
            }
            _ => Ok(()),
        }
    }
}

/// The delay before a retry that a problem asks for, capped.
pub(crate) fn retry_after_of(problem: &Problem) -> Option<Duration> {
    problem.retry_after_ms.map(Duration::from_millis).map(cap_retry_after)
}

fn cap_retry_after(asked: Duration) -> Duration {
    asked.min(MAX_RETRY_AFTER)
}

fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 502 | 503 | 504)
}

/// The innermost cause. The errors around it only say where it happened.
pub(crate) fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a dyn std::error::Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause
}
