//! The one error of the SDK.

use std::fmt;

use dlm_protocol::{Holder, InvalidValue, Problem, ProblemCode, ResourceName};

use crate::loss::LossReason;
use crate::transport::Failure;

/// What went wrong, for programs through its `is_…` methods and for people
/// through its `Display`.
///
/// It never contains the id of a lease.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: dlm_client::Client) -> Result<(), dlm_client::Error> {
/// use std::time::Duration;
///
/// match client.lock("orders/42").wait(Duration::from_secs(2)).await {
///     Ok(guard) => drop(guard),
///     Err(error) if error.is_timeout() => println!("held by {:?}", error.holders()),
///     Err(error) if error.is_retryable() => println!("later, perhaps: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    retryable: bool,
    code: Option<ProblemCode>,
    holders: Vec<Holder>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invalid,
    Setup,
    Connect,
    Broken,
    Timeout,
    Held,
    Lost(LossReason),
    Unavailable,
    Refused,
    Unexpected,
    SecondGuard,
    Closed,
}

impl Error {
    /// Time ran out: of a wait for a lock, or of a request.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.kind == Kind::Timeout
    }

    /// The lock is not held any more, or the lease of an idempotency key has
    /// ended. [`loss_reason`](Self::loss_reason) says why.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self.0.kind, Kind::Lost(_))
    }

    /// Somebody else holds the lock and no wait was asked for.
    /// [`holders`](Self::holders) says who.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.kind == Kind::Held
    }

    /// The same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The server can't be reached, or the connection to it broke.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        matches!(self.0.kind, Kind::Connect | Kind::Broken)
    }

    /// A value is outside its bounds; no repeat will help.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.0.kind == Kind::Invalid
    }

    /// The client was closed before or during the call.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.kind == Kind::Closed
    }

    /// The lease or the idempotency key has a guard in this process already, or
    /// one that is just being released.
    #[must_use]
    pub fn is_second_guard(&self) -> bool {
        self.0.kind == Kind::SecondGuard
    }

    /// What answered is not a dlm server, or one of a contract that this
    /// version doesn't know.
    #[must_use]
    pub fn is_unexpected_reply(&self) -> bool {
        self.0.kind == Kind::Unexpected
    }

    /// Why the lock was lost, where [`is_lost`](Self::is_lost).
    #[must_use]
    pub fn loss_reason(&self) -> Option<LossReason> {
        match self.0.kind {
            Kind::Lost(reason) => Some(reason),
            _ => None,
        }
    }

    /// The code of the server's answer, where the server refused.
    #[must_use]
    pub fn code(&self) -> Option<ProblemCode> {
        self.0.code
    }

    /// Who holds the lock, as far as the server said.
    #[must_use]
    pub fn holders(&self) -> &[Holder] {
        &self.0.holders
    }

    pub(crate) fn lost(resource: impl fmt::Display, reason: LossReason) -> Self {
        Self::new(Kind::Lost(reason), format!("the lock on `{resource}` is lost: {reason}"))
    }

    pub(crate) fn second_guard(resource: &ResourceName) -> Self {
        let message = format!("this process has a guard for this lease or key of `{resource}` already");
        Self::new(Kind::SecondGuard, message)
    }

    pub(crate) fn closed() -> Self {
        Self::new(Kind::Closed, "the client is closed".into())
    }

    /// The wait for a lock ran out without an answer that says so.
    pub(crate) fn waited_out(resource: &ResourceName, last: Option<Failure>) -> Self {
        let mut error = Self::new(Kind::Timeout, format!("the wait for the lock on `{resource}` timed out"));
        if let Some(last) = last {
            let last = Self::from(last);
            error.0.message = format!("{}; before that: {last}", error.0.message);
            error.0.source = Some(Box::new(last));
        }
        error.0.retryable = true;
        error
    }

    pub(crate) fn flush_timed_out() -> Self {
        Self::new(Kind::Timeout, "the client still has releases to send at the end of the time-out".into())
    }

    pub(crate) fn invalid(why: &str) -> Self {
        Self::new(Kind::Invalid, why.into())
    }

    pub(crate) fn address(address: &str, why: impl fmt::Display) -> Self {
        Self::new(Kind::Invalid, format!("the server's address `{address}` can't be used: {why}"))
    }

    /// Something this machine lacks: certificates, a thread.
    pub(crate) fn setup(what: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        let mut error = Self::new(Kind::Setup, format!("{what}: {source}"));
        error.0.source = Some(source);
        error
    }

    fn new(kind: Kind, message: String) -> Self {
        Self(Box::new(Inner {
            kind,
            message,
            retryable: false,
            code: None,
            holders: Vec::new(),
            source: None,
        }))
    }

    fn of_problem(problem: Problem) -> Self {
        let kind = match problem.code {
            ProblemCode::LockHeld => Kind::Held,
            ProblemCode::WaitTimeout => Kind::Timeout,
            ProblemCode::LeaseEnded => Kind::Lost(LossReason::of(problem.reason)),
            ProblemCode::NotHolder => Kind::Lost(LossReason::Unknown),
            ProblemCode::InvalidRequest
            | ProblemCode::InvalidName
            | ProblemCode::InvalidCursor
            | ProblemCode::IdempotencyKeyReused => Kind::Invalid,
            ProblemCode::Unavailable | ProblemCode::QuotaExceeded => Kind::Unavailable,
            ProblemCode::NotFound | ProblemCode::MethodNotAllowed => Kind::Unexpected,
            _ => Kind::Refused,
        };
        let retryable =
            problem.status >= 500 || matches!(kind, Kind::Held | Kind::Timeout | Kind::Unavailable);
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
        error
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let retryable = failure.is_passing();
        let message = failure.to_string();
        let (kind, source) = match failure {
            Failure::Problem { problem, .. } => return Self::of_problem(*problem),
            Failure::Unreached(source) => (Kind::Connect, Some(source)),
            Failure::Broken(source) => (Kind::Broken, Some(source)),
            Failure::TimedOut(_) => (Kind::Timeout, None),
            Failure::Unexpected { .. } => (Kind::Unexpected, None),
        };
        let mut error = Self::new(kind, message);
        error.0.retryable = retryable;
        error.0.source = source;
        error
    }
}

impl From<InvalidValue> for Error {
    fn from(invalid: InvalidValue) -> Self {
        let mut error = Self::new(Kind::Invalid, invalid.to_string());
        error.0.source = Some(Box::new(invalid));
        error
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind).field("message", &self.0.message);
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
