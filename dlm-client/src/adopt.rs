//! Adopting and releasing detached leases.

use std::sync::Arc;

use dlm_protocol::{ProblemCode, RenewRequest};

use crate::detached::DetachedLease;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::held_lease::HeldLease;
use crate::loss::LossReason;
use crate::reservation::Reservation;
use crate::term::Term;
use crate::transport::Answer;
use crate::worker::{Handle, release_stillborn};

/// How often to renew a lease whose renewals are answered after their term.
const MAX_LATE_RENEWALS: u32 = 3;

impl Handle {
    /// Renews a lease that has no guard, which shows that it is live, and creates
    /// a guard for it.
    pub(crate) async fn adopt(&self, lease: DetachedLease) -> Result<LockGuard, Error> {
        self.call(adopt(self.clone(), lease)).await
    }

    /// Releases a lease that has no guard.
    pub(crate) async fn release_detached(&self, lease: DetachedLease) -> Result<(), Error> {
        self.call(release(self.clone(), lease)).await
    }
}

async fn adopt(handle: Handle, lease: DetachedLease) -> Result<LockGuard, Error> {
    let reservation = reserve(&lease)?;
    let context = Arc::clone(handle.context());
    let request = RenewRequest { lease_id: lease.lease_id, ttl_ms: None };
    let mut late_renewals = 0;
    loop {
        let renew = || context.transport.renew(&lease.resource, &request, context.request_timeout);
        let Answer { body: renewed, sent_at, socket } =
            context.with_retries(renew).await.map_err(of_this_principal)?;
        let received_at = context.now();
        let term = Term::new(sent_at, received_at, renewed.elapsed_ms, renewed.ttl_ms);
        if received_at < term.deadline() {
            let held = HeldLease::new(renewed, term, true, vec![reservation], context.clock.clone());
            return Ok(LockGuard::new(handle, Arc::new(held), socket));
        }
        late_renewals += 1;
        if late_renewals == MAX_LATE_RENEWALS {
            release_stillborn(&context, &renewed, term).await;
            return Err(Error::lost(&lease.resource, LossReason::Deadline));
        }
    }
}

async fn release(handle: Handle, lease: DetachedLease) -> Result<(), Error> {
    let _reservation = reserve(&lease)?;
    let context = handle.context();
    let release = || context.transport.release(&lease.resource, &lease.lease_id, context.request_timeout);
    context.with_retries(release).await.map_err(of_this_principal)?;
    Ok(())
}

/// Says what a lease that is refused may be: one of another principal.
fn of_this_principal(error: impl Into<Error>) -> Error {
    let error = error.into();
    match error.code() {
        Some(ProblemCode::NotHolder) => {
            error.with_hint("only the principal that acquired a lease can adopt or release it")
        }
        _ => error,
    }
}

fn reserve(lease: &DetachedLease) -> Result<Reservation, Error> {
    Reservation::lease(&lease.lease_id).ok_or_else(|| Error::second_guard(&lease.resource))
}
