//! Errors on the wire.

use serde::{Deserialize, Serialize};

use crate::{Holder, Quota, Role};

/// Why a lease or a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The holder released the lease.
    Released,
    /// The lease expired.
    Expired,
    /// An operator ended the lease.
    ForceReleased,
    /// The wait was cancelled.
    Cancelled,
    /// The waiter was away for too long and lost its place.
    Away,
    /// The reason is no longer stored, or this version does not know it.
    #[serde(other)]
    Unknown,
}

impl EndReason {
    /// The value on the wire.
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
        /// The code of a problem. Programs match on it.
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
            /// The value on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other => "other",
                }
            }

            /// A short summary, the same for every occurrence.
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
    /// The request is malformed or a value is out of range.
    InvalidRequest = "invalid-request", "Invalid request";
    /// The resource name is not valid.
    InvalidName = "invalid-name", "Invalid resource name";
    /// The cursor does not belong to this event log.
    InvalidCursor = "invalid-cursor", "Invalid cursor";
    /// The cursor is older than the oldest event in the log.
    CursorExpired = "cursor-expired", "Cursor expired";
    /// The lock is held.
    LockHeld = "lock-held", "Lock is held";
    /// The wait timed out.
    WaitTimeout = "wait-timeout", "Wait timed out";
    /// The lease, or the wait for it, has ended.
    LeaseEnded = "lease-ended", "Lease has ended";
    /// The lease id was never issued for this resource.
    NotHolder = "not-holder", "Not the holder";
    /// No live lease has the token.
    HolderChanged = "holder-changed", "Holder has changed";
    /// The idempotency key was used before with other parameters.
    IdempotencyKeyReused = "idempotency-key-reused", "Idempotency key was used with other parameters";
    /// The credential is missing, unknown or expired.
    Unauthenticated = "unauthenticated", "Not authenticated";
    /// The caller lacks a right.
    Forbidden = "forbidden", "Forbidden";
    /// The path does not exist.
    NotFound = "not-found", "Not found";
    /// The path does not support this method.
    MethodNotAllowed = "method-not-allowed", "Method not allowed";
    /// The server does not accept requests for this `Host`.
    HostNotAllowed = "host-not-allowed", "Host is not allowed";
    /// The request comes from a page of another origin.
    OriginNotAllowed = "origin-not-allowed", "Origin is not allowed";
    /// The body is not `application/json`.
    UnsupportedMediaType = "unsupported-media-type", "Unsupported media type";
    /// The body is too large.
    BodyTooLarge = "body-too-large", "Body too large";
    /// The path only accepts WebSocket upgrades.
    UpgradeRequired = "upgrade-required", "Upgrade required";
    /// The request was not received in time.
    RequestTimeout = "request-timeout", "Request timed out";
    /// A quota of the caller is used up.
    QuotaExceeded = "quota-exceeded", "Quota exceeded";
    /// The server cannot process the request now. A retry may succeed.
    Unavailable = "unavailable", "Unavailable";
    /// The server failed to process the request.
    InternalError = "internal-error", "Internal error";
}

/// An error as defined by RFC 9457 (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `/problems/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short summary, the same for every problem with this code.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// An explanation of this occurrence, for people.
    pub detail: String,
    /// The code, for programs.
    pub code: ProblemCode,
    /// The id of the request, as in the server's log.
    pub request_id: String,
    /// `lease-ended`: why the lease or wait ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
    /// `lock-held`, `wait-timeout`, `holder-changed`: the current holders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders: Option<Vec<Holder>>,
    /// `lock-held`, `wait-timeout`: the length of the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_len: Option<u64>,
    /// `lock-held`, `wait-timeout`, `unavailable`, `quota-exceeded`: how long
    /// to wait before a retry, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// `forbidden`: the role that the caller lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<Role>,
    /// `quota-exceeded`: the quota that is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
}

impl Problem {
    /// Creates a problem with this code. Set the fields that the code adds, and
    /// the request id, afterwards.
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
            required: None,
            quota: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_serialized_in_kebab_case() {
        let problem = Problem::new(ProblemCode::IdempotencyKeyReused, 422, "x");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["code"], "idempotency-key-reused");
        assert_eq!(json["type"], "/problems/idempotency-key-reused");
    }

    #[test]
    fn denials_name_what_is_lacking() {
        let denied: Problem = serde_json::from_str(
            r#"{"type": "/problems/forbidden", "title": "Forbidden", "status": 403, "detail": "x",
                "code": "forbidden", "request_id": "r", "required": "admin"}"#,
        )
        .unwrap();
        assert_eq!((denied.code, denied.required), (ProblemCode::Forbidden, Some(Role::Admin)));
        let exceeded = Problem {
            quota: Some(Quota::Leases),
            ..Problem::new(ProblemCode::QuotaExceeded, 429, "too many leases")
        };
        let json = serde_json::to_value(&exceeded).unwrap();
        assert_eq!((&json["quota"], json.get("required")), (&"leases".into(), None));
    }

    #[test]
    fn code_of_a_newer_server_is_read_as_other() {
        assert_eq!(serde_json::from_str::<ProblemCode>(r#""not-yet-known""#).unwrap(), ProblemCode::Other);
        assert_eq!(serde_json::from_str::<EndReason>(r#""not_yet_known""#).unwrap(), EndReason::Unknown);
        assert_eq!(serde_json::to_string(&EndReason::Unknown).unwrap(), r#""unknown""#);
    }
}
