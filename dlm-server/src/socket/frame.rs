//! Decodes the frames of a session.

use dlm_protocol::limits::MAX_RENEWALS;
use dlm_protocol::{
    AcquireRequest, CheckRequest, IdempotencyKey, ReleaseRequest, RenewRequest, ResourceName, SessionOp,
    SessionRequest,
};
use serde::Deserialize;

use crate::service::{Error, Operation};

/// The operation of a frame.
#[derive(Debug)]
pub(super) enum SessionOperation {
    /// Gets a single reply, at the grant or at the deadline. Without a key the
    /// service makes one.
    Acquire { resource: ResourceName, key: Option<IdempotencyKey>, request: AcquireRequest },
    /// Executed after every earlier operation on the resource.
    Status { resource: ResourceName },
    /// Executed like over HTTP.
    Plain(Operation),
}

impl SessionOperation {
    /// The name of the operation, and its resource if it is on one alone.
    pub(super) const fn subject(&self) -> (&'static str, Option<&ResourceName>) {
        match self {
            Self::Acquire { resource, .. } => ("acquire", Some(resource)),
            Self::Status { resource } => ("status", Some(resource)),
            Self::Plain(operation) => (operation.name(), operation.resource()),
        }
    }
}

/// Why a frame is rejected, with its id as far as it can be decoded.
pub(super) struct FrameError {
    pub(super) id: Option<u64>,
    pub(super) why: Error,
}

/// Decodes a frame.
pub(super) fn decode(text: &str) -> Result<(u64, SessionOperation), FrameError> {
    if text.starts_with('\u{feff}') {
        let why = invalid("the frame must not begin with a byte order mark");
        return Err(FrameError { id: None, why });
    }
    let request: SessionRequest = serde_json::from_str(text).map_err(|error| {
        // The fields that say more about the error than serde does.
        #[derive(Default, Deserialize)]
        struct Partial {
            #[serde(default)]
            id: Option<u64>,
            #[serde(default)]
            resource: Option<String>,
        }
        let Partial { id, resource } = serde_json::from_str(text).unwrap_or_default();
        let why = match resource.map(ResourceName::try_from) {
            Some(Err(bad)) => Error::InvalidName { why: bad.to_string() },
            _ => invalid(format!("the frame is not valid: {error}")),
        };
        FrameError { id, why }
    })?;
    let id = request.id;
    operation(request).map(|operation| (id, operation)).map_err(|why| FrameError { id: Some(id), why })
}

fn invalid(what: impl Into<String>) -> Error {
    Error::Invalid { what: what.into() }
}

fn operation(mut frame: SessionRequest) -> Result<SessionOperation, Error> {
    let operation = match frame.op {
        SessionOp::Acquire => SessionOperation::Acquire {
            resource: required(frame.resource.take(), "resource")?,
            key: frame.idempotency_key.take(),
            request: AcquireRequest {
                mode: frame.mode.take().unwrap_or_default(),
                ttl_ms: frame.ttl_ms.take().unwrap_or_default(),
                wait_ms: frame.wait_ms.take().unwrap_or_default(),
                owner: frame.owner.take().unwrap_or_default(),
                metadata: frame.metadata.take().unwrap_or_default(),
            },
        },
        SessionOp::Cancel => SessionOperation::Plain(Operation::Cancel {
            resource: required(frame.resource.take(), "resource")?,
            key: required(frame.idempotency_key.take(), "idempotency_key")?,
        }),
        SessionOp::Renew => match frame.leases.take() {
            Some(leases) if leases.len() > MAX_RENEWALS => {
                return Err(invalid(format!("`leases` must hold at most {MAX_RENEWALS} leases")));
            }
            Some(leases) => SessionOperation::Plain(Operation::RenewMany { leases }),
            None => SessionOperation::Plain(Operation::Renew {
                resource: required(frame.resource.take(), "resource")?,
                request: RenewRequest {
                    lease_id: required(frame.lease_id.take(), "lease_id")?,
                    ttl_ms: frame.ttl_ms.take(),
                },
            }),
        },
        SessionOp::Release => SessionOperation::Plain(Operation::Release {
            resource: required(frame.resource.take(), "resource")?,
            request: ReleaseRequest { lease_id: required(frame.lease_id.take(), "lease_id")? },
        }),
        SessionOp::Check => SessionOperation::Plain(Operation::Check {
            resource: required(frame.resource.take(), "resource")?,
            request: CheckRequest { fencing_token: required(frame.fencing_token.take(), "fencing_token")? },
        }),
        SessionOp::Status => {
            SessionOperation::Status { resource: required(frame.resource.take(), "resource")? }
        }
    };
    // A field that the operation does not have may be a misspelt one.
    if frame == SessionRequest::new(frame.id, frame.op) {
        Ok(operation)
    } else {
        Err(invalid("the frame has fields that its operation does not have"))
    }
}

fn required<T>(field: Option<T>, name: &str) -> Result<T, Error> {
    field.ok_or_else(|| invalid(format!("`{name}` is missing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(text: &str) -> (Option<u64>, String) {
        match decode(text) {
            Ok((_, operation)) => panic!("{operation:?}"),
            Err(error) => (error.id, error.why.to_string()),
        }
    }

    #[test]
    fn an_invalid_frame_is_rejected_with_its_id_where_possible() {
        assert_eq!(rejection("{").0, None);
        assert_eq!(rejection(r#"{"id": -1, "op": "status"}"#).0, None);
        assert_eq!(rejection(r#"{"id": 3, "op": "fly"}"#).0, Some(3));
        assert_eq!(rejection(r#"{"id": 3, "op": "status", "resource": ".."}"#).0, Some(3));
    }

    #[test]
    fn each_operation_accepts_only_its_own_fields() {
        let (_, why) = rejection(r#"{"id": 1, "op": "cancel", "resource": "a"}"#);
        assert_eq!(why, "`idempotency_key` is missing");
        rejection(r#"{"id": 1, "op": "release", "resource": "a", "lease_id": "x", "ttl_ms": 1000}"#);
        rejection(r#"{"id": 1, "op": "renew", "leases": [], "resource": "a"}"#);
        let text = r#"{"id": 1, "op": "acquire", "resource": "a", "idempotency_key": "k", "wait_ms": 5}"#;
        assert!(matches!(decode(text), Ok((1, SessionOperation::Acquire { .. }))));
    }
}
