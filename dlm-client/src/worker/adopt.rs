use std::sync::Arc;

use dlm_protocol::RenewRequest;

use super::handle::Handle;
use crate::claims::Claim;
use crate::clock::Moment;
use crate::detached::DetachedLease;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::held::Held;
use crate::retry;
use crate::term::Term;

/// Renews a lease, which shows that it lives, and makes a guard for it.
pub(super) async fn adopt(handle: Handle, lease: DetachedLease) -> Result<LockGuard, Error> {
    let claim = Claim::lease(&lease.lease_id).ok_or_else(|| Error::second_guard(&lease.resource))?;
    let shared = Arc::clone(&handle.shared);
    let timeout = shared.request_timeout;
    let body = RenewRequest { lease_id: lease.lease_id, ttl_ms: None };
    let (sent, socket, renewed) = retry::ask(timeout, || async {
        let (sent, socket) = (Moment::now(), shared.transport.socket());
        Ok((sent, socket, shared.transport.renew(&lease.resource, &body, timeout).await?))
    })
    .await?;
    let term = Term::new(sent, Moment::now(), renewed.elapsed_ms, renewed.ttl_ms);
    let held = Held::new(renewed, term, true, (Some(claim), None));
    Ok(LockGuard::new(handle, Arc::new(held), socket))
}
