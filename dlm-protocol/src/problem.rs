use serde::{Deserialize, Serialize};

use crate::Holder;

/// Why a lease or a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its holder released it.
    Released,
    /// Its time ran out.
    Expired,
    /// An operator ended it.
    ForceReleased,
    /// The wait was cancelled.
    Cancelled,
    /// The waiter was away too long and lost its place.
    Away,
    /// It ended so long ago that the reason is forgotten; or for a reason that
    /// this version does not know.
    #[serde(other)]
    Unknown,
}

impl EndReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Expired => "expired",
            Self::ForceReleased => "force_released",
            Self::Cancelled => "cancelled",
            Self::Away => "away",
            Self::Unknown => "unknown",
        }
    }
}

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $title:literal;)*) => {
        /// What programs match on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum ProblemCode {
            $($(#[$doc])* $variant,)*
            /// A code that this version does not know.
            #[serde(other)]
            Other,
        }

        impl ProblemCode {
            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other => "other",
                }
            }

            /// The problem in a few words, the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)*
                    Self::Other => "Unknown problem",
                }
            }
        }
    };
}

problem_codes! {
    /// The request can't be read or is outside the bounds.
    InvalidRequest = "invalid-request", "Invalid request";
    /// The resource name is outside its bounds.
    InvalidName = "invalid-name", "Invalid resource name";
    /// The cursor is not one of this log.
    InvalidCursor = "invalid-cursor", "Invalid cursor";
    /// The cursor is older than the log.
    CursorExpired = "cursor-expired", "Cursor expired";
    /// Somebody holds the lock.
    LockHeld = "lock-held", "Lock is held";
    /// The wait ran out.
    WaitTimeout = "wait-timeout", "Wait timed out";
    /// The lease, or the wait for it, has ended.
    LeaseEnded = "lease-ended", "Lease has ended";
    /// The lease id was never given out for this resource.
    NotHolder = "not-holder", "Not the holder";
    /// No live lease has the token.
    HolderChanged = "holder-changed", "Holder has changed";
    /// The key was used with other parameters.
    IdempotencyKeyReused = "idempotency-key-reused", "Idempotency key was used with other parameters";
    /// Nothing is at this address.
    NotFound = "not-found", "Not found";
    /// The address does not answer this method.
    MethodNotAllowed = "method-not-allowed", "Method not allowed";
    /// The server does not answer for the host that was asked.
    HostNotAllowed = "host-not-allowed", "Host is not allowed";
    /// A page of another origin asked.
    OriginNotAllowed = "origin-not-allowed", "Origin is not allowed";
    /// The body is not `application/json`.
    UnsupportedMediaType = "unsupported-media-type", "Unsupported media type";
    /// The body is too large.
    BodyTooLarge = "body-too-large", "Body too large";
    /// The address is a WebSocket.
    UpgradeRequired = "upgrade-required", "Upgrade required";
    /// The caller sent too slowly.
    RequestTimeout = "request-timeout", "Request timed out";
    /// The caller has too much of something.
    QuotaExceeded = "quota-exceeded", "Quota exceeded";
    /// The server can't answer now; a repeat later may succeed.
    Unavailable = "unavailable", "Unavailable";
    /// The server failed on this request.
    InternalError = "internal-error", "Internal error";
}

/// An error, as RFC 9457 has it (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `/problems/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The problem in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence, for people to read.
    pub detail: String,
    /// What programs match on.
    pub code: ProblemCode,
    /// Names the request in the server's log.
    pub request_id: String,
    /// `lease-ended`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
    /// `lock-held`, `wait-timeout`, `holder-changed`: who holds the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders: Option<Vec<Holder>>,
    /// `lock-held`, `wait-timeout`: how many wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_len: Option<u64>,
    /// `lock-held`, `wait-timeout`, `unavailable`, `quota-exceeded`: when a
    /// repeat may succeed, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// A problem of this code; what the code adds is set on the fields.
    #[must_use]
    pub fn new(code: ProblemCode, status: u16, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{}", code.as_str()),
            title: code.title().to_owned(),
            status,
            detail: detail.into(),
            code,
            request_id: String::new(),
            reason: None,
            holders: None,
            queue_len: None,
            retry_after_ms: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_their_name_says() {
        let problem = Problem::new(ProblemCode::IdempotencyKeyReused, 422, "x");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["code"], "idempotency-key-reused");
        assert_eq!(json["type"], "/problems/idempotency-key-reused");
    }

    #[test]
    fn a_code_of_a_newer_server_is_still_read() {
        assert_eq!(serde_json::from_str::<ProblemCode>(r#""not-yet-known""#).unwrap(), ProblemCode::Other);
        assert_eq!(serde_json::from_str::<EndReason>(r#""not_yet_known""#).unwrap(), EndReason::Unknown);
        assert_eq!(serde_json::to_string(&EndReason::Unknown).unwrap(), r#""unknown""#);
    }
}
