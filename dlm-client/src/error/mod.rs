//! The error type of the crate.
//!
//! - `conversion`: errors from the replies of a server and from failed requests

mod conversion;

use std::fmt;
use std::time::Duration;

use dlm_protocol::{Holder, ProblemCode, Quota, ResourceName, Role};

use crate::loss::LossReason;
use crate::request_error::RequestError;

/// The error of every operation in this crate.
///
/// Programs classify an error with its `is_*` methods; its `Display` output is
/// for people. It does not repeat the message of the
/// [`source`](std::error::Error::source), such as the reason why a connection failed:
/// print `{error:#}` for both, or use a reporter that follows the sources. Neither
/// `Display` nor `Debug` output contains a token, a lease id or an idempotency key.
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
///     Err(error) if error.is_retryable() => println!("try again later: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
pub struct Error(Box<ErrorInner>);

struct ErrorInner {
    kind: ErrorKind,
    message: String,
    retryable: bool,
    code: Option<ProblemCode>,
    holders: Vec<Holder>,
    required: Option<Role>,
    quota: Option<Quota>,
    retry_after: Option<Duration>,
    request_id: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ErrorKind {
    Invalid,
    Setup,
    Connect,
    ConnectionLost,
    Timeout,
    Held,
    Lost(LossReason),
    Unavailable,
    QuotaExceeded,
    Unauthenticated,
    Forbidden,
    Rejected,
    UnexpectedReply,
    SecondGuard,
    Reentrant,
    Closed,
}

impl Error {
    /// The wait for a lock, a request, or [`Client::close`](crate::Client::close)
    /// timed out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::Timeout
    }

    /// The lock is no longer held, or the lease or wait of an idempotency key has
    /// ended. [`loss_reason`](Self::loss_reason) says why.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Lost(_))
    }

    /// The lock is held by someone else and the request did not wait.
    /// [`holders`](Self::holders) lists the holders.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.kind == ErrorKind::Held
    }

    /// The same call may succeed when it is retried later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The client could not connect to the server, or the connection broke.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Connect | ErrorKind::ConnectionLost)
    }

    /// The server does not accept the client's credential: it is missing, unknown, expired
    /// or withdrawn. Or the [token provider](crate::ClientBuilder::token_provider) has
    /// no token; then the [source](std::error::Error::source) says why.
    ///
    /// A provider was asked for another token before this error was returned.
    #[must_use]
    pub fn is_unauthenticated(&self) -> bool {
        self.0.kind == ErrorKind::Unauthenticated
    }

    /// The client's principal lacks a right; [`required_role`](Self::required_role) says
    /// which.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.0.kind == ErrorKind::Forbidden
    }

    /// A quota of the client's principal, or of its address, is used up;
    /// [`quota`](Self::quota) says which.
    #[must_use]
    pub fn is_quota_exceeded(&self) -> bool {
        self.0.kind == ErrorKind::QuotaExceeded
    }

    /// An argument is invalid. A retry gets the same error.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.0.kind == ErrorKind::Invalid
    }

    /// The client was closed before or during the call.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.kind == ErrorKind::Closed
    }

    /// The lease or the idempotency key already has a guard in this process, or
    /// one whose release is still pending.
    #[must_use]
    pub fn is_second_guard(&self) -> bool {
        self.0.kind == ErrorKind::SecondGuard
    }

    /// The lock was requested inside [`with_lock`](crate::Client::with_lock) on the same name,
    /// without waiting. Locks are not reentrant, so nobody but the caller itself holds it.
    #[must_use]
    pub fn is_reentrant(&self) -> bool {
        self.0.kind == ErrorKind::Reentrant
    }

    /// The reply does not follow the wire contract: the address is not that of a
    /// dlm server, or the server is too new for this version of the client.
    #[must_use]
    pub fn is_unexpected_reply(&self) -> bool {
        self.0.kind == ErrorKind::UnexpectedReply
    }

    /// Why the lock was lost; `Some` exactly if [`is_lost`](Self::is_lost).
    #[must_use]
    pub fn loss_reason(&self) -> Option<LossReason> {
        match self.0.kind {
            ErrorKind::Lost(reason) => Some(reason),
            _ => None,
        }
    }

    /// The role that the principal lacks, if the request [is
    /// forbidden](Self::is_forbidden).
    #[must_use]
    pub fn required_role(&self) -> Option<Role> {
        self.0.required
    }

    /// The quota that is used up, if [one is](Self::is_quota_exceeded) and the server
    /// named it.
    #[must_use]
    pub fn quota(&self) -> Option<Quota> {
        self.0.quota
    }

    /// How long the server asked to wait before a retry, 30 s at most.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The id of the rejected request, as in the server's log; `None` if the server did not
    /// reject it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: dlm_client::Client) {
    /// if let Err(error) = client.status("orders/42").await {
    ///     eprintln!("{error}, request {}", error.request_id().unwrap_or("without a reply"));
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The problem code of the server's reply, if the server rejected the request.
    #[must_use]
    pub fn code(&self) -> Option<ProblemCode> {
        self.0.code
    }

    /// The current holders of the lock, if the server listed them; else empty.
    #[must_use]
    pub fn holders(&self) -> &[Holder] {
        &self.0.holders
    }

    pub(crate) fn lost(resource: impl fmt::Display, reason: LossReason) -> Self {
        Self::new(ErrorKind::Lost(reason), format!("lost the lock on `{resource}`: {reason}"))
    }

    pub(crate) fn second_guard(resource: &ResourceName) -> Self {
        let message =
            format!("this process already has a guard for this lease or idempotency key of `{resource}`");
        Self::new(ErrorKind::SecondGuard, message)
    }

    pub(crate) fn reentrant(resource: &ResourceName) -> Self {
        let message = format!(
            "the lock on `{resource}` is held by the caller itself, in `with_lock`; locks are not reentrant"
        );
        Self::new(ErrorKind::Reentrant, message)
    }

    /// The kind of the error, as spans record it.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.0.kind {
            ErrorKind::Invalid => "invalid",
            ErrorKind::Setup => "setup_failed",
            ErrorKind::Connect | ErrorKind::ConnectionLost => "unreachable",
            ErrorKind::Timeout => "timed_out",
            ErrorKind::Held => "held",
            ErrorKind::Lost(_) => "lost",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::QuotaExceeded => "quota_exceeded",
            ErrorKind::Unauthenticated => "unauthenticated",
            ErrorKind::Forbidden => "forbidden",
            ErrorKind::Rejected => "rejected",
            ErrorKind::UnexpectedReply => "unexpected_reply",
            ErrorKind::SecondGuard => "second_guard",
            ErrorKind::Reentrant => "reentrant",
            ErrorKind::Closed => "closed",
        }
    }

    /// The same error, with more text.
    pub(crate) fn with_hint(mut self, hint: &str) -> Self {
        self.0.message = format!("{}; {hint}", self.0.message);
        self
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the client is closed".into())
    }

    /// The wait for a lock timed out at the client, without a reply that says so.
    pub(crate) fn wait_timed_out(resource: &ResourceName, last_error: Option<RequestError>) -> Self {
        let mut error =
            Self::new(ErrorKind::Timeout, format!("timed out waiting for the lock on `{resource}`"));
        error.0.source = last_error.map(|last| Self::from(last).into());
        error.0.retryable = true;
        error
    }

    pub(crate) fn close_timed_out() -> Self {
        let message = "closing timed out with releases still pending; the client keeps retrying them";
        Self::new(ErrorKind::Timeout, message.into())
    }

    pub(crate) fn invalid(why: &str) -> Self {
        Self::new(ErrorKind::Invalid, why.into())
    }

    pub(crate) fn invalid_address(address: &str, why: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Invalid, format!("invalid server address `{address}`: {why}"))
    }

    /// The machine lacks something the client needs, such as certificates.
    pub(crate) fn setup(what: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::new(ErrorKind::Setup, what.into());
        error.0.source = Some(source.into());
        error
    }

    fn new(kind: ErrorKind, message: String) -> Self {
        Self(Box::new(ErrorInner {
            kind,
            message,
            retryable: false,
            code: None,
            holders: Vec::new(),
            required: None,
            quota: None,
            retry_after: None,
            request_id: None,
            source: None,
        }))
    }
}

/// The message, without that of the source. The alternate form, `{:#}`, adds the
/// messages of all sources.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut source = if f.alternate() { std::error::Error::source(self) } else { None };
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
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
