//! How many operations of one session may be in flight. A session is read
//! however many wait, so that renewals and pongs never queue behind waits.
//! Operations over the quota are rejected, but for those that keep or end a lease:
//! they are never rejected. Instead, the session is not read while they use up
//! their quota. They are answered soon.

use std::time::Duration;

use dlm_protocol::Quota;

use super::frame::SessionOperation;
use crate::service::{Error, Operation};

/// Acquires that wait for their grant, by number.
const WAITS: Budget = Budget::new(100_000, 64 * 1024 * 1024);
/// All other operations. A renewal of several leases weighs as much as their
/// number.
const OTHERS: Budget = Budget::new(100_000, 32 * 1024 * 1024);
/// Renewals, releases and cancels.
const UNREFUSED: Budget = Budget::new(100_000, 32 * 1024 * 1024);
/// The weight of a status, which may list a hundred holders and waiters.
const STATUS_WEIGHT: usize = 10;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What one kind of operations may use.
#[derive(Debug, Clone, Copy)]
struct Budget {
    weight: usize,
    /// Size of the frames.
    bytes: usize,
}

/// The operations that one session has in flight.
#[derive(Debug)]
pub(super) struct SessionQuota {
    waits: Budget,
    others: Budget,
    unrefused: Budget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wait,
    Other,
    Unrefused,
}

/// The part of the quota that one operation in flight uses.
#[derive(Debug, Clone, Copy)]
#[must_use = "a permit has to be released"]
pub(super) struct Permit {
    kind: Kind,
    weight: usize,
    bytes: usize,
}

impl Budget {
    const fn new(weight: usize, bytes: usize) -> Self {
        Self { weight, bytes }
    }
}

impl Default for SessionQuota {
    fn default() -> Self {
        Self { waits: WAITS, others: OTHERS, unrefused: UNREFUSED }
    }
}

impl SessionQuota {
    /// Acquires a permit for the operation of a frame of this size.
    pub(super) fn acquire(&mut self, operation: &SessionOperation, bytes: usize) -> Result<Permit, Error> {
        let permit = permit(operation, bytes);
        let left = self.of(permit.kind);
        if permit.kind != Kind::Unrefused && (left.weight < permit.weight || left.bytes < bytes) {
            let (what, quota) = match permit.kind {
                Kind::Wait => ("too many acquires are waiting in this session", Quota::Waiters),
                _ => ("too many operations of this session are in flight", Quota::Requests),
            };
            return Err(Error::QuotaExceeded { what, quota, retry_after: RETRY_AFTER });
        }
        // Unrefused operations may use more than is left, once.
        let permit =
            Permit { weight: permit.weight.min(left.weight), bytes: bytes.min(left.bytes), ..permit };
        left.weight -= permit.weight;
        left.bytes -= permit.bytes;
        Ok(permit)
    }

    /// Releases the permit of an operation that has completed.
    pub(super) fn release(&mut self, permit: Permit) {
        let left = self.of(permit.kind);
        left.weight += permit.weight;
        left.bytes += permit.bytes;
    }

    /// Whether no further frame may be read for now.
    pub(super) fn is_full(&self) -> bool {
        self.unrefused.weight == 0 || self.unrefused.bytes == 0
    }

    fn of(&mut self, kind: Kind) -> &mut Budget {
        match kind {
            Kind::Wait => &mut self.waits,
            Kind::Other => &mut self.others,
            Kind::Unrefused => &mut self.unrefused,
        }
    }
}

fn permit(operation: &SessionOperation, bytes: usize) -> Permit {
    let (kind, weight) = match operation {
        SessionOperation::Acquire { request, .. } if request.wait_ms.as_millis() > 0 => (Kind::Wait, 1),
        SessionOperation::Plain(Operation::RenewMany { leases }) => (Kind::Unrefused, leases.len().max(1)),
        SessionOperation::Plain(
            Operation::Renew { .. } | Operation::Release { .. } | Operation::Cancel { .. },
        ) => (Kind::Unrefused, 1),
        SessionOperation::Status { .. } => (Kind::Other, STATUS_WEIGHT),
        SessionOperation::Acquire { .. } | SessionOperation::Plain(_) => (Kind::Other, 1),
    };
    Permit { kind, weight, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::frame;

    fn operation(text: &str) -> SessionOperation {
        frame::decode(text).unwrap_or_else(|error| panic!("{}", error.why)).1
    }

    fn wait() -> SessionOperation {
        operation(r#"{"id": 1, "op": "acquire", "resource": "a", "idempotency_key": "k", "wait_ms": 9}"#)
    }

    fn release() -> SessionOperation {
        operation(r#"{"id": 1, "op": "release", "resource": "a", "lease_id": "x"}"#)
    }

    #[test]
    fn waits_do_not_use_up_the_quota_of_other_operations() {
        let mut quota = SessionQuota::default();
        let mut waiting: Vec<_> = (0..WAITS.weight).map(|_| quota.acquire(&wait(), 1).unwrap()).collect();
        assert!(matches!(quota.acquire(&wait(), 1), Err(Error::QuotaExceeded { .. })));
        let permit = quota.acquire(&release(), 1).unwrap();
        quota.release(permit);
        quota.release(waiting.pop().unwrap());
        let _wait = quota.acquire(&wait(), 1).unwrap();
    }

    #[test]
    fn waits_are_limited_by_the_size_of_their_frames() {
        let mut quota = SessionQuota::default();
        let frame = 4500;
        let waiting = (0..).map_while(|_| quota.acquire(&wait(), frame).ok()).count();
        assert_eq!(waiting, WAITS.bytes / frame);
        let check = operation(r#"{"id": 1, "op": "check", "resource": "a", "fencing_token": 1}"#);
        assert!(quota.acquire(&check, OTHERS.bytes).is_ok());
        assert!(matches!(quota.acquire(&check, 1), Err(Error::QuotaExceeded { .. })));
        assert!(!quota.is_full());
    }

    #[test]
    fn renewals_and_releases_are_never_refused_but_stop_the_reading() {
        let mut quota = SessionQuota::default();
        let leases = vec![r#"{"resource": "a", "lease_id": "x"}"#; 1000].join(",");
        let renewal = operation(&format!(r#"{{"id": 1, "op": "renew", "leases": [{leases}]}}"#));
        let mut permits = Vec::new();
        while !quota.is_full() {
            permits.push(quota.acquire(&renewal, 1).unwrap());
        }
        assert_eq!(permits.len(), UNREFUSED.weight / 1000);
        permits.push(quota.acquire(&release(), 1).unwrap());
        permits.push(quota.acquire(&renewal, UNREFUSED.bytes).unwrap());
        permits.into_iter().for_each(|permit| quota.release(permit));
        assert!(!quota.is_full() && quota.unrefused.weight == UNREFUSED.weight);
        assert_eq!(quota.unrefused.bytes, UNREFUSED.bytes);
    }
}
