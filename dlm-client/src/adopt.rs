//! Adopting a detached lease.

use std::sync::Arc;

use dlm_protocol::RenewRequest;

use crate::clock::BootInstant;
use crate::detached::DetachedLease;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::held_lease::HeldLease;
use crate::reservation::Reservation;
use crate::term::Term;
use crate::worker::Handle;

impl Handle {
    /// Renews a lease that has no guard, which shows that it is live, and creates
    /// a guard for it.
    pub(crate) async fn adopt(&self, lease: DetachedLease) -> Result<LockGuard, Error> {
        self.call(adopt(self.clone(), lease)).await
    }
}

async fn adopt(handle: Handle, lease: DetachedLease) -> Result<LockGuard, Error> {
    let reservation =
        Reservation::lease(&lease.lease_id).ok_or_else(|| Error::second_guard(&lease.resource))?;
    let context = Arc::clone(handle.context());
    let request = RenewRequest { lease_id: lease.lease_id, ttl_ms: None };
    let (sent_at, socket, renewed) = context
        .with_retries(|| async {
            let (sent_at, socket) = (BootInstant::now(), context.transport.socket());
            let renewed = context.transport.renew(&lease.resource, &request, context.request_timeout).await?;
            Ok((sent_at, socket, renewed))
        })
        .await?;
    let term = Term::new(sent_at, BootInstant::now(), renewed.elapsed_ms, renewed.ttl_ms);
    let held = HeldLease::new(renewed, term, true, vec![reservation]);
    Ok(LockGuard::new(handle, Arc::new(held), socket))
}
