//! How many operations of one session may be in flight. A session is read
//! however many there are, so that renewals and pongs never queue behind waits.
//! Operations over the quota are rejected.

use std::time::Duration;

use super::frame::SessionOperation;
use crate::service::{Error, Operation};

/// Maximum acquires that wait for their grant.
const MAX_WAITS: usize = 100_000;
/// Maximum total weight of all other operations. A renewal of several leases
/// weighs as much as their number.
const MAX_WEIGHT: usize = 100_000;
/// The weight of a status, which may list a hundred holders and waiters.
const STATUS_WEIGHT: usize = 10;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The operations that one session has in flight.
#[derive(Debug, Default)]
pub(super) struct SessionQuota {
    waits: usize,
    weight: usize,
}

/// The part of the quota that one operation in flight uses.
#[derive(Debug, Clone, Copy)]
#[must_use = "a permit has to be released"]
pub(super) enum Permit {
    Wait,
    Weight(usize),
}

impl SessionQuota {
    /// Acquires a permit for an operation.
    pub(super) fn acquire(&mut self, operation: &SessionOperation) -> Result<Permit, Error> {
        let permit = permit(operation);
        let exceeded = |what| Error::QuotaExceeded { what, retry_after: RETRY_AFTER };
        match permit {
            Permit::Wait if self.waits >= MAX_WAITS => {
                return Err(exceeded("too many acquires are waiting in this session"));
            }
            Permit::Wait => self.waits += 1,
            Permit::Weight(weight) if self.weight + weight > MAX_WEIGHT => {
                return Err(exceeded("too many operations of this session are in flight"));
            }
            Permit::Weight(weight) => self.weight += weight,
        }
        Ok(permit)
    }

    /// Releases the permit of an operation that has completed.
    pub(super) fn release(&mut self, permit: Permit) {
        match permit {
            Permit::Wait => self.waits -= 1,
            Permit::Weight(weight) => self.weight -= weight,
        }
    }
}

fn permit(operation: &SessionOperation) -> Permit {
    match operation {
        SessionOperation::Acquire { request, .. } if request.wait_ms.as_millis() > 0 => Permit::Wait,
        SessionOperation::Plain(Operation::RenewMany { leases }) => Permit::Weight(leases.len().max(1)),
        SessionOperation::Status { .. } => Permit::Weight(STATUS_WEIGHT),
        SessionOperation::Acquire { .. } | SessionOperation::Plain(_) => Permit::Weight(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::frame;

    fn operation(text: &str) -> SessionOperation {
        frame::decode(text).unwrap_or_else(|error| panic!("{}", error.why)).1
    }

    #[test]
    fn waits_do_not_use_up_the_quota_of_other_operations() {
        let mut quota = SessionQuota::default();
        let wait =
            operation(r#"{"id": 1, "op": "acquire", "resource": "a", "idempotency_key": "k", "wait_ms": 9}"#);
        for _ in 0..MAX_WAITS {
            let _wait = quota.acquire(&wait).unwrap();
        }
        assert!(matches!(quota.acquire(&wait), Err(Error::QuotaExceeded { .. })));
        let release = operation(r#"{"id": 1, "op": "release", "resource": "a", "lease_id": "x"}"#);
        let permit = quota.acquire(&release).unwrap();
        quota.release(permit);
        quota.release(Permit::Wait);
        let _wait = quota.acquire(&wait).unwrap();
    }

    #[test]
    fn a_renewal_of_several_leases_weighs_their_number() {
        let mut quota = SessionQuota::default();
        let leases = vec![r#"{"resource": "a", "lease_id": "x"}"#; 1000].join(",");
        let renewal = operation(&format!(r#"{{"id": 1, "op": "renew", "leases": [{leases}]}}"#));
        for _ in 0..MAX_WEIGHT / 1000 {
            let _renewal = quota.acquire(&renewal).unwrap();
        }
        assert!(matches!(quota.acquire(&renewal), Err(Error::QuotaExceeded { .. })));
    }
}
