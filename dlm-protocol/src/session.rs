//! The frames of the session socket: many operations over one connection.

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Cancelled, Checked, EndReason, FencingToken, IdempotencyKey, Lease, LeaseId, LockStatus, Metadata, Mode,
    Owner, Problem, Released, RenewItem, RenewResult, ResourceName, Ttl, Wait,
};

/// The WebSocket subprotocol of `GET /v1/session`.
pub const SESSION_PROTOCOL: &str = "dlm.session.v1";

/// What a frame asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionOp {
    /// Take a lock; answered once, at the grant or at the end of the wait.
    Acquire,
    /// Give up an acquire.
    Cancel,
    /// Begin a new term: of one lease, or of several in `leases`.
    Renew,
    /// Give a lease back.
    Release,
    /// Is a token that of a live lease?
    Check,
    /// Who holds a resource and who waits.
    Status,
}

/// One operation. Its fields are those of the operation's HTTP body, with
/// `resource` and, for acquire and cancel, `idempotency_key`; the others are
/// absent.
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
    /// The caller's own number for it; the answer carries it.
    pub id: u64,
    /// What is asked.
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
    /// An operation without any of the fields that some have.
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

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionMessage {
    /// The answer to an operation, or word of its place in the queue.
    Reply {
        /// The operation's number; `None` where its frame could not be read.
        id: Option<u64>,
        /// What became of it.
        body: SessionBody,
    },
    /// A lease that was acquired or renewed over this socket has expired or was
    /// force-released.
    LeaseEnded(LeaseEnded),
    /// Something that this version does not know. It is read, never sent.
    Unknown,
}

/// What became of an operation: the member of the reply beside its `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionBody {
    /// Of an acquire or a renewal.
    Lease(Box<Lease>),
    /// Of a renewal of several, in the order asked.
    Results(Vec<RenewResult>),
    /// Of a release.
    Released(Released),
    /// Of a cancel.
    Cancel(Cancelled),
    /// Of a check.
    Check(Checked),
    /// Of a status.
    Status(Box<LockStatus>),
    /// Of an acquire that waits: more is to come.
    Queued(SessionQueued),
    /// Of what was refused.
    Problem(Box<Problem>),
}

/// Where a waiting acquire stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionQueued {
    /// 1 is the head of the queue.
    pub position: u64,
    /// How many wait.
    pub queue_len: u64,
}

/// A lease that ended without its holder's doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeaseEnded {
    /// What it locked.
    pub resource: ResourceName,
    /// Which lease it was.
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

/// All that a message can hold. A member that a newer server adds is ignored.
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
}

impl<'de> Deserialize<'de> for SessionMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Members::deserialize(deserializer)?;
        if let Some(ended) = members.lease_ended {
            return Ok(Self::LeaseEnded(ended));
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
    use crate::ProblemCode;

    fn there_and_back(message: &SessionMessage, text: &str) {
        assert_eq!(serde_json::to_string(message).unwrap(), text);
        assert_eq!(serde_json::from_str::<SessionMessage>(text).unwrap(), *message);
    }

    #[test]
    fn a_message_is_its_id_and_one_member() {
        let released = Released { released: true, fencing_token: FencingToken::new(42) };
        there_and_back(
            &SessionMessage::Reply { id: Some(7), body: SessionBody::Released(released) },
            r#"{"id":7,"released":{"released":true,"fencing_token":42}}"#,
        );
        let queued = SessionQueued { position: 3, queue_len: 10 };
        there_and_back(
            &SessionMessage::Reply { id: Some(7), body: SessionBody::Queued(queued) },
            r#"{"id":7,"queued":{"position":3,"queue_len":10}}"#,
        );
        there_and_back(
            &SessionMessage::LeaseEnded(LeaseEnded {
                resource: ResourceName::try_from("a").unwrap(),
                fencing_token: FencingToken::new(1),
                reason: EndReason::Expired,
            }),
            r#"{"lease_ended":{"resource":"a","fencing_token":1,"reason":"expired"}}"#,
        );
    }

    #[test]
    fn the_problem_of_a_frame_that_can_t_be_read_has_the_id_null() {
        let problem = Box::new(Problem::new(ProblemCode::InvalidRequest, 400, "no"));
        let message = SessionMessage::Reply { id: None, body: SessionBody::Problem(problem) };
        let text = serde_json::to_string(&message).unwrap();
        assert!(text.starts_with(r#"{"id":null,"problem":{"#), "{text}");
        assert_eq!(serde_json::from_str::<SessionMessage>(&text).unwrap(), message);
    }

    #[test]
    fn a_message_of_a_newer_server_is_told_from_one_that_can_t_be_read() {
        let news = r#"{"id": 7, "not_yet_known": {"of": "this"}}"#;
        assert_eq!(serde_json::from_str::<SessionMessage>(news).unwrap(), SessionMessage::Unknown);
        assert!(serde_json::from_str::<SessionMessage>(r#"{"id": 7, "lease": {}}"#).is_err());
    }

    #[test]
    fn an_unknown_field_of_a_request_is_refused() {
        assert!(serde_json::from_str::<SessionRequest>(r#"{"id":1,"op":"status","resorce":"a"}"#).is_err());
    }

    #[test]
    fn absent_fields_are_not_sent() {
        let request = SessionRequest::new(1, SessionOp::Renew);
        assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"id":1,"op":"renew"}"#);
    }
}
