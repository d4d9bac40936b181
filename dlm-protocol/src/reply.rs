//! Reply bodies.

use serde::{Deserialize, Deserializer, Serialize};

use crate::lenient::{self, Lenient};
#[cfg(feature = "openapi")]
use crate::value::string_schema;
use crate::{
    FencingToken, IdempotencyKey, LeaseId, Metadata, Owner, PendingRelease, Problem, ProblemCode,
    ResourceName, Timestamp, Ttl,
};

/// The lock mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// One holder.
    #[default]
    Exclusive,
    /// Any number of holders, none of them exclusive.
    Shared,
    /// A mode that this version does not know. It occurs in replies only: a request
    /// with an unknown mode is refused.
    #[serde(skip_deserializing)]
    Other,
}

impl Mode {
    /// The value on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
            Self::Other => "other",
        }
    }
}

impl Lenient for Mode {
    type Wire = String;

    fn unchecked(text: String) -> Self {
        let known = [Self::Exclusive, Self::Shared].into_iter().find(|mode| mode.as_str() == text);
        known.unwrap_or(Self::Other)
    }
}

#[cfg(feature = "openapi")]
string_schema!(Mode, "The lock mode.", ["exclusive", "shared"]);

/// A lease as its holder sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lease {
    /// The locked resource.
    #[serde(deserialize_with = "lenient::value")]
    pub resource: ResourceName,
    /// The capability to renew and release the lease. Keep it secret.
    pub lease_id: LeaseId,
    /// The lock mode.
    #[serde(deserialize_with = "lenient::value")]
    pub mode: Mode,
    /// The fencing token of the grant.
    pub fencing_token: FencingToken,
    /// The TTL of the current term, in milliseconds.
    #[serde(deserialize_with = "lenient::value")]
    pub ttl_ms: Ttl,
    /// When the lease was granted.
    pub acquired_at: Timestamp,
    /// When the lease expires unless it is renewed.
    pub expires_at: Timestamp,
    /// A lower bound of the time from the arrival of this request to the start
    /// of the current term, in milliseconds. Negative for a retry, whose term
    /// started before the request. The instant at which the client sent the
    /// request plus `elapsed_ms` is the earliest possible start of the term on
    /// the client's clock.
    pub elapsed_ms: i64,
    /// The owner as given in the acquire.
    #[serde(deserialize_with = "lenient::value")]
    pub owner: Owner,
    /// The metadata as given in the acquire.
    #[serde(deserialize_with = "lenient::value")]
    pub metadata: Metadata,
    /// The request to let go of the lease; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_requested: Option<Box<PendingRelease>>,
}

/// A lease as others see it, without the lease id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct Holder {
    /// The lock mode.
    #[serde(deserialize_with = "lenient::value")]
    pub mode: Mode,
    /// The owner as given in the acquire.
    #[serde(deserialize_with = "lenient::value")]
    pub owner: Owner,
    /// The fencing token of the grant.
    pub fencing_token: FencingToken,
    /// The TTL of the current term, in milliseconds.
    #[serde(deserialize_with = "lenient::value")]
    pub ttl_ms: Ttl,
    /// When the lease was granted.
    pub acquired_at: Timestamp,
    /// When the lease expires unless it is renewed.
    pub expires_at: Timestamp,
    /// The metadata as given in the acquire.
    #[serde(deserialize_with = "lenient::value")]
    pub metadata: Metadata,
    /// The principal that holds the lease; absent if it was granted without
    /// authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The request to let go of the lease; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_requested: Option<Box<PendingRelease>>,
}

/// A queued acquire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct Waiter {
    /// Identifies the waiter, also in events. It is public and grants no
    /// access.
    pub waiter_id: String,
    /// The position in the queue; 1 is the head.
    pub position: u64,
    /// The lock mode.
    #[serde(deserialize_with = "lenient::value")]
    pub mode: Mode,
    /// The owner as given in the acquire.
    #[serde(deserialize_with = "lenient::value")]
    pub owner: Owner,
    /// The principal of the acquire; absent without authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Whether the waiter is away: no server holds a request of it open.
    pub away: bool,
    /// When the waiter was enqueued.
    pub enqueued_at: Timestamp,
    /// When the wait times out.
    pub deadline: Timestamp,
}

/// The reply to an acquire that is still queued after the server held the
/// request open for the maximum time. Send the same request with this key to
/// continue waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Queued {
    /// The position in the queue; 1 is the head.
    pub position: u64,
    /// The length of the queue.
    pub queue_len: u64,
    /// The current holders.
    pub holders: Vec<Holder>,
    /// The key for the next request.
    #[serde(deserialize_with = "lenient::value")]
    pub idempotency_key: IdempotencyKey,
}

/// The effect of a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CancelOutcome {
    /// The waiter left the queue.
    Cancelled,
    /// The lock was already granted; the lease was released.
    Released,
    /// Nothing to cancel. An acquire with this key that arrives later is
    /// refused.
    None,
    /// An effect that this version does not know. It is deserialized, never sent.
    #[serde(other)]
    Other,
}

#[cfg(feature = "openapi")]
string_schema!(CancelOutcome, "The effect of a cancel.", ["cancelled", "released", "none"]);

/// The reply to a cancel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cancelled {
    /// The effect of the cancel.
    pub outcome: CancelOutcome,
}

/// The reply to a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Released {
    /// Always true. A failed release is a problem instead.
    pub released: bool,
    /// The fencing token of the released lease.
    pub fencing_token: FencingToken,
}

/// The result for one lease of a renewal of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RenewResult {
    /// Renewed: the lease with its new term.
    Lease(Box<Lease>),
    /// Not renewed: the reason.
    Problem(Box<Problem>),
}

/// Unknown members are ignored. A result without a known member is a problem with an
/// unknown code, so that it does not spoil the results of the other leases.
impl<'de> Deserialize<'de> for RenewResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Members {
            lease: Option<Box<Lease>>,
            problem: Option<Box<Problem>>,
        }
        Ok(match Members::deserialize(deserializer)? {
            Members { lease: Some(lease), .. } => Self::Lease(lease),
            Members { problem: Some(problem), .. } => Self::Problem(problem),
            _ => Self::Problem(Box::new(Problem::new(ProblemCode::Other, 500, "unknown result"))),
        })
    }
}

/// The reply to a renewal of several leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Renewed {
    /// One result per lease, in the order of the request.
    pub results: Vec<RenewResult>,
}

/// The reply to a force-release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct ForceReleased {
    /// The lease that ended.
    pub released: Holder,
    /// The token counter right after it was incremented, before the next grant.
    pub current_token: FencingToken,
}

/// The reply to a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct Checked {
    /// Whether a live lease has this token.
    pub live: bool,
    /// The mode of that lease; null if there is none.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub mode: Option<Mode>,
    /// The resource's token counter. Raise a fence to this value.
    pub current_token: FencingToken,
}

/// Whether a resource is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LockState {
    /// No holders.
    Free,
    /// At least one holder.
    Held,
    /// A state that this version does not know. It is deserialized, never sent.
    #[serde(other)]
    Other,
}

#[cfg(feature = "openapi")]
string_schema!(LockState, "Whether a resource is held.", ["free", "held"]);

/// The state of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct LockStatus {
    /// The name of the resource.
    #[serde(deserialize_with = "lenient::value")]
    pub resource: ResourceName,
    /// Whether it is held.
    pub state: LockState,
    /// The mode in which it is held; null if it is free.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub mode: Option<Mode>,
    /// The token counter.
    pub current_token: FencingToken,
    /// The length of the queue.
    pub queue_len: u64,
    /// When the first waiter was enqueued; null if there are no waiters.
    #[serde(default)]
    pub oldest_enqueued_at: Option<Timestamp>,
    /// The first 100 holders, in the order of their tokens.
    pub holders: Vec<Holder>,
    /// The first 100 waiters in FIFO order. Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiters: Option<Vec<Waiter>>,
    /// The number of holders.
    pub holder_count: u64,
    /// The version. Every event of the resource increments it by one.
    pub version: u64,
    /// Subscribe to events after this cursor to follow the resource. In a list
    /// it is the cursor of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of a list, ordered by the bytes of the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct LockPage {
    /// The resources, without their waiters.
    pub locks: Vec<LockStatus>,
    /// Pass it as `after` to get the next page; null on the last page.
    pub next: Option<String>,
    /// To follow the list, subscribe to events after the cursor of its *first*
    /// page.
    pub cursor: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_TTL_MS;
    use crate::{AcquireRequest, SessionRequest};

    fn holder() -> serde_json::Value {
        serde_json::json!({
            "mode": "not_yet_known", "owner": "o".repeat(1_000), "fencing_token": 1, "ttl_ms": 2 * MAX_TTL_MS,
            "acquired_at": "2026-01-01T00:00:00.000Z", "expires_at": "2026-01-01T00:00:30.000Z",
            "metadata": {"key": "m".repeat(10_000)}, "not_yet_known": {"of": ["this"]},
        })
    }

    #[test]
    fn b70_values_and_bounds_of_a_newer_server_are_read() {
        let holder: Holder = serde_json::from_value(holder()).unwrap();
        assert_eq!(holder.mode, Mode::Other);
        assert_eq!(holder.ttl_ms.as_millis(), 2 * MAX_TTL_MS);
        assert_eq!(holder.owner.as_str().len(), 1_000);
        let name = "n".repeat(1_000);
        let status: LockStatus = serde_json::from_value(serde_json::json!({
            "resource": name, "state": "not_yet_known", "mode": "not_yet_known", "current_token": 1,
            "queue_len": 0, "holders": [holder], "holder_count": 1, "version": 1,
        }))
        .unwrap();
        assert_eq!((status.state, status.mode), (LockState::Other, Some(Mode::Other)));
        assert_eq!(status.resource.as_str(), name);
        let checked: Checked = serde_json::from_str(r#"{"live": true, "current_token": 1}"#).unwrap();
        assert_eq!(checked.mode, None);
        let cancelled: Cancelled = serde_json::from_str(r#"{"outcome": "not_yet_known"}"#).unwrap();
        assert_eq!(cancelled.outcome, CancelOutcome::Other);
    }

    #[test]
    fn b70_unknown_result_of_a_renewal_does_not_spoil_the_others() {
        let problem = serde_json::to_string(&Problem::new(ProblemCode::LeaseEnded, 410, "ended")).unwrap();
        let renewed: Renewed = serde_json::from_str(&format!(
            r#"{{"results": [{{"problem": {problem}, "more": 1}}, {{"not_yet_known": {{}}}}]}}"#
        ))
        .unwrap();
        let codes = renewed.results.iter().map(|result| match result {
            RenewResult::Problem(problem) => problem.code,
            RenewResult::Lease(_) => unreachable!("there is no lease"),
        });
        assert_eq!(codes.collect::<Vec<_>>(), [ProblemCode::LeaseEnded, ProblemCode::Other]);
    }

    #[test]
    fn requests_are_still_checked() {
        for (field, value) in [
            ("mode", r#""not_yet_known""#),
            ("mode", r#""other""#),
            ("ttl_ms", "86400001"),
            ("wait_ms", "86400001"),
            ("not_yet_known", "1"),
        ] {
            let http = format!(r#"{{"{field}": {value}}}"#);
            assert!(serde_json::from_str::<AcquireRequest>(&http).is_err(), "{http}");
            let frame = format!(r#"{{"id": 1, "op": "acquire", "resource": "a", "{field}": {value}}}"#);
            assert!(serde_json::from_str::<SessionRequest>(&frame).is_err(), "{frame}");
        }
        let long = format!(r#"{{"id": 1, "op": "status", "resource": "{}"}}"#, "n".repeat(1_000));
        assert!(serde_json::from_str::<SessionRequest>(&long).is_err());
    }
}
