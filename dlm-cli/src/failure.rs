//! Why a command failed, and what to do about it.

use std::fmt;
use std::io;

use dlm_client::Error;

use crate::exit_code::{self, Kind};

/// Nobody reads the output any more.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output")]
pub(crate) struct Unread;

/// The failure of a command.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Option<Kind>,
    code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure without a kind of its own.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self { kind: None, code: exit_code::INTERNAL, message: message.into(), hint: None }
    }

    /// A negative answer to what was asked for, such as of `dlm check`.
    pub(crate) fn negative(message: impl Into<String>) -> Self {
        Self { code: exit_code::NEGATIVE, ..Self::other(message) }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::of(Kind::Usage, message)
    }

    pub(crate) fn of(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind: Some(kind), code: kind.default_code(), ..Self::other(message) }
    }

    /// Nobody reads the output any more, as in `dlm ls | head -1`. That is no failure of this
    /// program.
    fn unread() -> Self {
        Self { code: 0, ..Self::other(String::new()) }
    }

    /// Whether there is anything to tell.
    pub(crate) fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    /// Adds what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.code
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        self.kind
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  {hint}")?;
        }
        Ok(())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|error| error.is::<Unread>()) {
            Self::unread()
        } else {
            Self::other(error.to_string())
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = format!("{error:#}");
        if error.is_unauthenticated() {
            return Self::of(Kind::Denied, message)
                .hint("give a token: `dlm login`, DLM_TOKEN, or DLM_TOKEN_FILE");
        }
        if error.is_forbidden() {
            let role = error.required_role().map_or("another role", |role| role.as_str());
            return Self::of(Kind::Denied, message).hint(format!(
                "this needs the role `{role}`; `dlm whoami` shows which rights the token has"
            ));
        }
        if error.is_held() || (error.is_timeout() && !error.holders().is_empty()) {
            let holders: Vec<String> = error
                .holders()
                .iter()
                .map(|holder| format!("{} (token {})", name_of(holder.owner.as_str()), holder.fencing_token))
                .collect();
            let failure = Self::of(Kind::NotAcquired, message);
            return if holders.is_empty() {
                failure
            } else {
                failure.hint(format!("held by {}", holders.join(", ")))
            };
        }
        if error.is_lost() {
            return Self::of(Kind::Lost, message);
        }
        if error.is_invalid() {
            return Self::of(Kind::Usage, message);
        }
        if error.is_connect() || error.is_timeout() || error.is_retryable() {
            return Self::of(Kind::Unreachable, message).hint(
                "is the server running, and is its URL right? Set it by `dlm login URL`, DLM_URL or --url",
            );
        }
        if error.is_unexpected_reply() {
            return Self::of(Kind::Unreachable, message).hint("is this the URL of a dlm server?");
        }
        Self::other(message)
    }
}

/// An owner as shown; it may be empty.
pub(crate) fn name_of(owner: &str) -> &str {
    if owner.is_empty() { "someone" } else { owner }
}
