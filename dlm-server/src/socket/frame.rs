//! Frames of a session as operations.

use dlm_protocol::limits::MAX_RENEWALS;
use dlm_protocol::{
    AcquireRequest, CheckRequest, IdempotencyKey, ReleaseRequest, RenewRequest, ResourceName, SessionOp,
    SessionRequest,
};
use serde::Deserialize;

use crate::service::{Error, Operation};

/// What a frame asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// Answered once, at its grant or at its deadline.
    Acquire {
        resource: ResourceName,
        key: IdempotencyKey,
        request: AcquireRequest,
    },
    /// Done behind everything that was asked of the resource before.
    Status {
        resource: ResourceName,
    },
    Operation(Operation),
}

/// A frame that can't be done: the id, if it can be read, and why.
pub(super) struct Unread {
    pub(super) id: Option<u64>,
    pub(super) why: Error,
}

/// Reads one frame.
pub(super) fn read(text: &str) -> Result<(u64, Asked), Unread> {
    let request: SessionRequest = serde_json::from_str(text).map_err(|error| {
        // What can be read of it all the same.
        #[derive(Default, Deserialize)]
        struct Part {
            #[serde(default)]
            id: Option<u64>,
            #[serde(default)]
            resource: Option<String>,
        }
        let Part { id, resource } = serde_json::from_str(text).unwrap_or_default();
        let why = match resource.map(ResourceName::try_from) {
            Some(Err(bad)) => Error::InvalidName { why: bad.to_string() },
            _ => invalid(format!("the frame can't be read: {error}")),
        };
        Unread { id, why }
    })?;
    let id = request.id;
    asked(request).map(|asked| (id, asked)).map_err(|why| Unread { id: Some(id), why })
}

fn invalid(what: impl Into<String>) -> Error {
    Error::Invalid { what: what.into() }
}

fn asked(mut frame: SessionRequest) -> Result<Asked, Error> {
    let asked = match frame.op {
        SessionOp::Acquire => Asked::Acquire {
            resource: needed(frame.resource.take(), "resource")?,
            key: needed(frame.idempotency_key.take(), "idempotency_key")?,
            request: AcquireRequest {
                mode: frame.mode.take().unwrap_or_default(),
                ttl_ms: frame.ttl_ms.take().unwrap_or_default(),
                wait_ms: frame.wait_ms.take().unwrap_or_default(),
                owner: frame.owner.take().unwrap_or_default(),
                metadata: frame.metadata.take().unwrap_or_default(),
            },
        },
        SessionOp::Cancel => Asked::Operation(Operation::Cancel {
            resource: needed(frame.resource.take(), "resource")?,
            key: needed(frame.idempotency_key.take(), "idempotency_key")?,
        }),
        SessionOp::Renew => match frame.leases.take() {
            Some(leases) if leases.len() > MAX_RENEWALS => {
                return Err(invalid(format!("`leases` must hold at most {MAX_RENEWALS} leases")));
            }
            Some(leases) => Asked::Operation(Operation::RenewMany { leases }),
            None => Asked::Operation(Operation::Renew {
                resource: needed(frame.resource.take(), "resource")?,
                request: RenewRequest {
                    lease_id: needed(frame.lease_id.take(), "lease_id")?,
                    ttl_ms: frame.ttl_ms.take(),
                },
            }),
        },
        SessionOp::Release => Asked::Operation(Operation::Release {
            resource: needed(frame.resource.take(), "resource")?,
            request: ReleaseRequest { lease_id: needed(frame.lease_id.take(), "lease_id")? },
        }),
        SessionOp::Check => Asked::Operation(Operation::Check {
            resource: needed(frame.resource.take(), "resource")?,
            request: CheckRequest { fencing_token: needed(frame.fencing_token.take(), "fencing_token")? },
        }),
        SessionOp::Status => Asked::Status { resource: needed(frame.resource.take(), "resource")? },
    };
    // What an operation has no use for is as good as misspelt.
    if frame == SessionRequest::new(frame.id, frame.op) {
        Ok(asked)
    } else {
        Err(invalid("the frame has fields that its operation does not have"))
    }
}

fn needed<T>(field: Option<T>, name: &str) -> Result<T, Error> {
    field.ok_or_else(|| invalid(format!("`{name}` is missing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (Option<u64>, String) {
        match read(text) {
            Ok((_, asked)) => panic!("{asked:?}"),
            Err(unread) => (unread.id, unread.why.to_string()),
        }
    }

    #[test]
    fn a_frame_that_can_t_be_read_is_told_with_its_id_where_that_can_be() {
        assert_eq!(refused("{").0, None);
        assert_eq!(refused(r#"{"id": -1, "op": "status"}"#).0, None);
        assert_eq!(refused(r#"{"id": 3, "op": "fly"}"#).0, Some(3));
        assert_eq!(refused(r#"{"id": 3, "op": "status", "resource": ".."}"#).0, Some(3));
    }

    #[test]
    fn each_operation_has_its_fields_and_no_others() {
        let (_, why) = refused(r#"{"id": 1, "op": "acquire", "resource": "a"}"#);
        assert_eq!(why, "`idempotency_key` is missing");
        refused(r#"{"id": 1, "op": "release", "resource": "a", "lease_id": "x", "ttl_ms": 1000}"#);
        refused(r#"{"id": 1, "op": "renew", "leases": [], "resource": "a"}"#);
        let text = r#"{"id": 1, "op": "acquire", "resource": "a", "idempotency_key": "k", "wait_ms": 5}"#;
        assert!(matches!(read(text), Ok((1, Asked::Acquire { .. }))));
    }
}
