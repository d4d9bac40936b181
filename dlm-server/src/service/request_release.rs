//! Asks holders to let go of their leases, and shows who is asked.

use std::sync::Arc;

use dlm_engine::{Op, Reply};
use dlm_protocol::{Lease, LockStatus, ReleaseNotice, RequestReleaseRequest, RequestedRelease};

use super::access::OnResource;
use super::acquire::{reply, unexpected};
use super::{Error, Outcome, Service, unavailable, wire};
use crate::lease_watchers::{LeaseNotice, LeaseNoticeSender};
use crate::release_requests::pending_release;
use crate::store::{Name, PeerMessage, ReleaseRequest};

impl Service {
    pub(super) async fn request_release(
        &self,
        on: &OnResource,
        request: RequestReleaseRequest,
    ) -> Result<Outcome, Error> {
        let recorded = self.record_release_request(on, &request).await?;
        let requested = self.store_release_request(on, request).await;
        recorded.ended(requested.as_ref().err());
        requested
    }

    /// The engine decides whether the holder can be asked. What it decides is stored after that,
    /// so the lease may have ended: then nobody sees the request, and it is deleted.
    async fn store_release_request(
        &self,
        on: &OnResource,
        request: RequestReleaseRequest,
    ) -> Result<Outcome, Error> {
        let token = request.fencing_token.get();
        let op = Op::RequestRelease { token, within_ms: request.within_ms.as_millis() };
        let answer = on.execute(op, self.1.session).await?;
        let (requested_at, deadline) = match reply(answer.outcome, answer.first_now)? {
            Reply::ReleaseRequested { requested_at, deadline } => (requested_at, deadline),
            reply => return Err(unexpected(&reply)),
        };
        let new = ReleaseRequest {
            name: Name::clone(on.name()),
            token,
            reason: request.reason.as_str().into(),
            requested_by: on.principal_name(),
            requested_at,
            deadline,
            force: request.force,
        };
        // Once it is stored, the holder is told even if the caller has hung up.
        let (requests, watchers) = (Arc::clone(&self.0.release_requests), Arc::clone(&self.0.lease_watchers));
        let (cluster, resource) = (Arc::clone(&self.0.cluster), on.resource().clone());
        let stored = self.0.access.system().writers().run_maintenance(move |store| {
            let Some(stored) = store.add_release_request(&new)? else { return Ok(None) };
            if let Some(new) = requests.add(stored.clone()) {
                let request = pending_release(&new);
                watchers.release_requested(&ReleaseNotice {
                    resource,
                    fencing_token: dlm_protocol::FencingToken::new(token),
                    request,
                });
                cluster.announce(vec![PeerMessage::ReleaseRequested]);
            }
            Ok(Some(stored))
        });
        let Some(stored) = stored.await? else {
            return Err(unavailable("too many holders are asked to let go: 10,000 at most"));
        };
        Ok(Outcome::ReleaseRequested(RequestedRelease {
            resource: on.resource().clone(),
            fencing_token: request.fencing_token,
            requested_at: wire::time(stored.requested_at),
            deadline: wire::time(stored.deadline),
            forced: stored.force,
        }))
    }

    /// Shows which holders are asked to let go.
    pub(super) fn show_release_requests(&self, status: &mut LockStatus) {
        let requests = &self.0.release_requests;
        if requests.any() {
            for holder in &mut status.holders {
                let request = requests.of(status.resource.as_str(), holder.fencing_token.get());
                holder.release_requested = request.map(|request| Box::new(pending_release(&request)));
            }
        }
    }

    /// Tells a socket that began to watch a lease of a request that came while its reply was made.
    pub(super) fn notice_since(&self, lease: &Lease, sender: &LeaseNoticeSender) {
        if lease.release_requested.is_some() {
            return;
        }
        if let Some(request) = self.0.release_requests.of(lease.resource.as_str(), lease.fencing_token.get())
        {
            let notice = ReleaseNotice {
                resource: lease.resource.clone(),
                fencing_token: lease.fencing_token,
                request: pending_release(&request),
            };
            // Fails only when the socket has closed.
            sender.send(LeaseNotice::ReleaseRequested(Box::new(notice))).ok();
        }
    }
}
