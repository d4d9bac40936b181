//! Errors of the service as problems (RFC 9457), the same for every transport.

use std::time::Duration;

use dlm_protocol::{Lease, Problem, ProblemCode, RenewResult};

use crate::service::Error;

/// Maps an error to the code and status of its problem.
pub(crate) fn problem(error: Error) -> Problem {
    let (code, status) = match &error {
        Error::LockHeld { .. } => (ProblemCode::LockHeld, 423),
        Error::WaitTimeout { .. } => (ProblemCode::WaitTimeout, 423),
        Error::LeaseEnded { by_key: true, .. } => (ProblemCode::LeaseEnded, 409),
        Error::LeaseEnded { by_key: false, .. } => (ProblemCode::LeaseEnded, 410),
        Error::NotHolder { .. } => (ProblemCode::NotHolder, 403),
        Error::Forbidden { .. } => (ProblemCode::Forbidden, 403),
        Error::HolderChanged { .. } => (ProblemCode::HolderChanged, 409),
        Error::KeyReused => (ProblemCode::IdempotencyKeyReused, 422),
        Error::InvalidCursor => (ProblemCode::InvalidCursor, 400),
        Error::CursorExpired => (ProblemCode::CursorExpired, 410),
        Error::InvalidName { .. } => (ProblemCode::InvalidName, 400),
        Error::Invalid { .. } => (ProblemCode::InvalidRequest, 400),
        Error::QuotaExceeded { .. } => (ProblemCode::QuotaExceeded, 429),
        Error::Unavailable { .. } => (ProblemCode::Unavailable, 503),
        Error::Internal => (ProblemCode::InternalError, 500),
    };
    let mut problem = Problem::new(code, status, error.to_string());
    match error {
        Error::LockHeld { holders, queue_len, retry_after_ms }
        | Error::WaitTimeout { holders, queue_len, retry_after_ms } => {
            problem.holders = Some(holders);
            problem.queue_len = Some(queue_len);
            problem.retry_after_ms = Some(retry_after_ms);
        }
        Error::LeaseEnded { reason, .. } => problem.reason = Some(reason),
        Error::Forbidden { required } => problem.required = Some(required),
        Error::HolderChanged { holders } => problem.holders = Some(holders),
        Error::QuotaExceeded { retry_after, quota, .. } => {
            problem.retry_after_ms = Some(retry_after_ms(retry_after));
            problem.quota = Some(quota);
        }
        Error::Unavailable { retry_after, .. } => problem.retry_after_ms = Some(retry_after_ms(retry_after)),
        _ => {}
    }
    problem
}

/// Rounded up: before that time, a retry would be in vain.
fn retry_after_ms(retry_after: Duration) -> u64 {
    u64::try_from(retry_after.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// One result of a renewal of several leases.
pub(crate) fn renew_result(result: Result<Lease, Error>) -> RenewResult {
    match result {
        Ok(lease) => RenewResult::Lease(Box::new(lease)),
        Err(error) => RenewResult::Problem(Box::new(problem(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_lease_is_410_for_its_id_and_409_for_its_key() {
        let ended = |by_key| Error::LeaseEnded { reason: dlm_protocol::EndReason::Expired, by_key };
        assert_eq!(problem(ended(true)).status, 409);
        assert_eq!(problem(ended(false)).status, 410);
    }
}
