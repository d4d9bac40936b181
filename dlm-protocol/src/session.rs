//! The messages of the session socket, which carries many operations at once
//! over one connection.

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::whole_number;
use crate::{
    Cancelled, Checked, EndReason, FencingToken, IdempotencyKey, Lease, LeaseId, LockStatus, Metadata, Mode,
    Owner, Problem, ReleaseNotice, Released, RenewItem, RenewResult, ResourceName, Ttl, Wait, lenient,
};

/// The WebSocket subprotocol of `GET /v1/session`.
pub const SESSION_PROTOCOL: &str = "dlm.session.v1";

/// The operation of a session request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionOp {
    /// Acquire a lock. Replied to once, at the grant or at the end of the wait.
    Acquire,
    /// Give up an acquire.
    Cancel,
    /// Renew one lease, or the several in `leases`.
    Renew,
    /// Release a lease.
    Release,
    /// Check whether a fencing token belongs to a live lease.
    Check,
    /// Get the holders and waiters of a resource.
    Status,
}

/// One operation. It has the fields of the operation's HTTP body, `resource`
/// (except for a renewal of several leases), and for acquire and cancel
/// `idempotency_key`. All other fields are absent. An acquire without a key gets
/// one from the server; its waiter leaves the queue when the socket breaks.
///
/// ```
/// use dlm_protocol::{SessionOp, SessionRequest};
///
/// let frame = r#"{"id": 7, "op": "release", "resource": "orders/42", "lease_id": "abc"}"#;
/// let request: SessionRequest = serde_json::from_str(frame)?;
/// assert_eq!((request.id, request.op), (7, SessionOp::Release));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are documented where the HTTP bodies are")]
pub struct SessionRequest {
    /// A number chosen by the caller. The reply has the same one.
    #[serde(deserialize_with = "whole_number")]
    pub id: u64,
    /// The operation.
    pub op: SessionOp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<Ttl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<Wait>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_id: Option<LeaseId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leases: Option<Vec<RenewItem>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing_token: Option<FencingToken>,
}

impl SessionRequest {
    /// Creates a request with all optional fields absent.
    #[must_use]
    pub const fn new(id: u64, op: SessionOp) -> Self {
        Self {
            id,
            op,
            resource: None,
            idempotency_key: None,
            mode: None,
            ttl_ms: None,
            wait_ms: None,
            owner: None,
            metadata: None,
            lease_id: None,
            leases: None,
            fencing_token: None,
        }
    }
}

/// A message from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionMessage {
    /// The reply to an operation, or an update on its place in the queue.
    Reply {
        /// The number of the request; `None` if its frame could not be parsed.
        id: Option<u64>,
        /// The reply's content.
        body: SessionBody,
    },
    /// A lease that was acquired or renewed over this socket has expired or was
    /// force-released.
    LeaseEnded(LeaseEnded),
    /// The holder of a lease that was acquired or renewed over this socket is asked to let go of
    /// it.
    ReleaseRequested(Box<ReleaseNotice>),
    /// A message that this version does not know. It is deserialized, never
    /// sent.
    Unknown,
}

/// The content of a reply: its member besides `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionBody {
    /// To an acquire or a renewal of one lease.
    Lease(Box<Lease>),
    /// To a renewal of several leases, in the order of the request.
    Results(Vec<RenewResult>),
    /// To a release.
    Released(Released),
    /// To a cancel.
    Cancel(Cancelled),
    /// To a check.
    Check(Checked),
    /// To a status.
    Status(Box<LockStatus>),
    /// To an acquire that waits. Its actual reply comes later.
    Queued(SessionQueued),
    /// To an operation that failed.
    Problem(Box<Problem>),
}

/// The place of a waiting acquire in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionQueued {
    /// The position in the queue; 1 is the head.
    pub position: u64,
    /// The length of the queue.
    pub queue_len: u64,
}

/// A lease that expired or was force-released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeaseEnded {
    /// The resource that was locked.
    #[serde(deserialize_with = "lenient::value")]
    pub resource: ResourceName,
    /// The fencing token of the lease.
    pub fencing_token: FencingToken,
    /// `expired` or `force_released`.
    pub reason: EndReason,
}

impl Serialize for SessionMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::LeaseEnded(ended) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("lease_ended", ended)?;
                map.end()
            }
            Self::ReleaseRequested(notice) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("release_requested", notice)?;
                map.end()
            }
            Self::Unknown => serializer.serialize_map(Some(0))?.end(),
            Self::Reply { id, body } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("id", id)?;
                match body {
                    SessionBody::Lease(lease) => map.serialize_entry("lease", lease)?,
                    SessionBody::Results(results) => map.serialize_entry("results", results)?,
                    SessionBody::Released(released) => map.serialize_entry("released", released)?,
                    SessionBody::Cancel(cancelled) => map.serialize_entry("cancel", cancelled)?,
                    SessionBody::Check(checked) => map.serialize_entry("check", checked)?,
                    SessionBody::Status(status) => map.serialize_entry("status", status)?,
                    SessionBody::Queued(queued) => map.serialize_entry("queued", queued)?,
                    SessionBody::Problem(problem) => map.serialize_entry("problem", problem)?,
                }
                map.end()
            }
        }
    }
}

/// All members that a message can have. Unknown members are ignored, so that a
/// newer server can add some.
#[derive(Deserialize)]
struct Members {
    #[serde(default)]
    id: Option<u64>,
    lease: Option<Box<Lease>>,
    results: Option<Vec<RenewResult>>,
    released: Option<Released>,
    cancel: Option<Cancelled>,
    check: Option<Checked>,
    status: Option<Box<LockStatus>>,
    queued: Option<SessionQueued>,
    problem: Option<Box<Problem>>,
    lease_ended: Option<LeaseEnded>,
    release_requested: Option<Box<ReleaseNotice>>,
}

impl<'de> Deserialize<'de> for SessionMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Members::deserialize(deserializer)?;
        if let Some(ended) = members.lease_ended {
            return Ok(Self::LeaseEnded(ended));
        }
        if let Some(notice) = members.release_requested {
            return Ok(Self::ReleaseRequested(notice));
        }
        let body = members
            .lease
            .map(SessionBody::Lease)
            .or(members.released.map(SessionBody::Released))
            .or(members.results.map(SessionBody::Results))
            .or(members.queued.map(SessionBody::Queued))
            .or(members.problem.map(SessionBody::Problem))
            .or(members.cancel.map(SessionBody::Cancel))
            .or(members.check.map(SessionBody::Check))
            .or(members.status.map(SessionBody::Status));
        Ok(body.map_or(Self::Unknown, |body| Self::Reply { id: members.id, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PendingRelease, ProblemCode, Timestamp};

    fn assert_round_trip(message: &SessionMessage, text: &str) {
        assert_eq!(serde_json::to_string(message).unwrap(), text);
        assert_eq!(serde_json::from_str::<SessionMessage>(text).unwrap(), *message);
    }

    #[test]
    fn message_has_an_id_and_one_member() {
        let released = Released { released: true, fencing_token: FencingToken::new(42) };
        assert_round_trip(
            &SessionMessage::Reply { id: Some(7), body: SessionBody::Released(released) },
            r#"{"id":7,"released":{"released":true,"fencing_token":42}}"#,
        );
        let queued = SessionQueued { position: 3, queue_len: 10 };
        assert_round_trip(
            &SessionMessage::Reply { id: Some(7), body: SessionBody::Queued(queued) },
            r#"{"id":7,"queued":{"position":3,"queue_len":10}}"#,
        );
        assert_round_trip(
            &SessionMessage::LeaseEnded(LeaseEnded {
                resource: ResourceName::try_from("a").unwrap(),
                fencing_token: FencingToken::new(1),
                reason: EndReason::Expired,
            }),
            r#"{"lease_ended":{"resource":"a","fencing_token":1,"reason":"expired"}}"#,
        );
    }

    #[test]
    fn notice_of_a_requested_release_is_flat() {
        let request = PendingRelease {
            reason: "deploy".into(),
            requested_by: None,
            requested_at: Timestamp::from_micros(0),
            deadline: Timestamp::from_micros(1_000_000),
            force: true,
        };
        assert_round_trip(
            &SessionMessage::ReleaseRequested(Box::new(ReleaseNotice {
                resource: ResourceName::try_from("a").unwrap(),
                fencing_token: FencingToken::new(1),
                request,
            })),
            r#"{"release_requested":{"resource":"a","fencing_token":1,"reason":"deploy","requested_at":"1970-01-01T00:00:00.000Z","deadline":"1970-01-01T00:00:01.000Z","force":true}}"#,
        );
    }

    #[test]
    fn problem_of_a_malformed_frame_has_a_null_id() {
        let problem = Box::new(Problem::new(ProblemCode::InvalidRequest, 400, "no"));
        let message = SessionMessage::Reply { id: None, body: SessionBody::Problem(problem) };
        let text = serde_json::to_string(&message).unwrap();
        assert!(text.starts_with(r#"{"id":null,"problem":{"#), "{text}");
        assert_eq!(serde_json::from_str::<SessionMessage>(&text).unwrap(), message);
    }

    #[test]
    fn unknown_message_is_accepted_and_malformed_one_is_not() {
        let unknown = r#"{"id": 7, "not_yet_known": {"of": "this"}}"#;
        assert_eq!(serde_json::from_str::<SessionMessage>(unknown).unwrap(), SessionMessage::Unknown);
        assert!(serde_json::from_str::<SessionMessage>(r#"{"id": 7, "lease": {}}"#).is_err());
    }

    #[test]
    fn unknown_request_field_is_refused() {
        assert!(serde_json::from_str::<SessionRequest>(r#"{"id":1,"op":"status","resorce":"a"}"#).is_err());
    }

    #[test]
    fn absent_fields_are_not_serialized() {
        let request = SessionRequest::new(1, SessionOp::Renew);
        assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"id":1,"op":"renew"}"#);
    }
}
