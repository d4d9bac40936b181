//! Executes operations.

use tokio_util::sync::CancellationToken;

use super::access::OnResource;
use super::quotas::counted;
use super::{Error, Operation, Outcome, Service};
use crate::auth::Principal;

impl Service {
    /// Executes an operation for a principal.
    ///
    /// An acquire that waits is held for at most 20 s; then it returns
    /// [`Outcome::Queued`].
    ///
    /// # Errors
    ///
    /// Returns an error when the operation is rejected, or when the server
    /// can't execute it now.
    ///
    /// # Cancel safety
    ///
    /// An operation that was handed to a writer completes even if the future is
    /// dropped. Dropping the future of an acquire means that its caller hung up:
    /// the waiter becomes away, or leaves the queue at once if the server chose
    /// its key, since the caller does not know the key.
    pub async fn call(&self, principal: &Principal, operation: Operation) -> Result<Outcome, Error> {
        self.call_until(principal, operation, &CancellationToken::new()).await
    }

    /// Executes an operation like [`Self::call`], but no longer holds an acquire
    /// that waits once `done_sending` is cancelled: its caller may be gone. If it
    /// is not, [`Outcome::Queued`] tells it how to go on.
    ///
    /// # Errors
    ///
    /// Same as [`Self::call`].
    ///
    /// # Cancel safety
    ///
    /// Same as [`Self::call`].
    pub(crate) async fn call_until(
        &self,
        principal: &Principal,
        operation: Operation,
        done_sending: &CancellationToken,
    ) -> Result<Outcome, Error> {
        let (access, role) = (&self.0.access, operation.role());
        let on = |resource| access.on_resource(principal, role, resource);
        match operation {
            Operation::Acquire { resource, key, request } => {
                self.acquire(on(resource)?, key, &request, done_sending).await
            }
            Operation::Cancel { resource, key } => self.cancel(&on(resource)?, &key).await,
            Operation::Renew { resource, request } => {
                let lease = self.renew(&on(resource)?, &request.lease_id, request.ttl_ms).await?;
                Ok(Outcome::Lease(Box::new(lease)))
            }
            Operation::RenewMany { leases } => self.renew_many(principal, role, leases).await,
            Operation::Release { resource, request } => self.release(on(resource)?, &request).await,
            Operation::ForceRelease { resource, request } => {
                self.force_release(&counted(on(resource)?)?, request).await
            }
            Operation::RequestRelease { resource, request } => {
                self.request_release(&counted(on(resource)?)?, request).await
            }
            Operation::Check { resource, request } => {
                self.check(&counted(on(resource)?)?, request.fencing_token).await
            }
            Operation::Status { resource } => self.read_status(&counted(on(resource)?)?).await,
            Operation::List(query) => self.list(self.counted_view(principal, None)?, query).await,
            Operation::Events(query) => {
                self.events(self.counted_view(principal, query.resource.as_ref())?, query).await
            }
            Operation::WaitGraph { limit } => {
                self.wait_graph(self.counted_view(principal, None)?, limit).await
            }
            Operation::Explain { resource, owner } => {
                let on = counted(on(resource)?)?;
                self.explain(&on, access.view(principal, None)?, owner).await
            }
            Operation::HoldStatistics { resources } => {
                self.hold_statistics(self.counted_view(principal, None)?, resources).await
            }
            Operation::Owners(query) => self.owners(self.counted_view(principal, None)?, query).await,
            Operation::Owner(owner) => self.owner(self.counted_view(principal, None)?, owner).await,
            Operation::Principal { name } => self.principal(self.counted_view(principal, None)?, name).await,
            Operation::State(query) => self.state_at(self.counted_view(principal, None)?, query).await,
            Operation::Overview { seconds } => {
                self.overview(self.counted_view(principal, None)?, seconds).await
            }
        }
    }

    pub(super) async fn read_status(&self, on: &OnResource) -> Result<Outcome, Error> {
        self.status(on, &on.reads().permit().await?).await
    }
}
