//! Reads that only HTTP has.

use std::time::Duration;

use dlm_protocol::{
    EventPage, Explanation, LockPage, Owner, OwnerDetails, OwnerPage, PrincipalDetails, ResourceName, WhoAmI,
};

use super::call::Call;
use super::route::Transport;
use crate::request_error::RequestError;

impl Transport {
    /// Fetches a page of the list of locks.
    pub(crate) async fn locks(&self, query: &str, timeout: Duration) -> Result<LockPage, RequestError> {
        self.call(Call::ListLocks { query }, timeout).await
    }

    /// Fetches a page of the event log.
    pub(crate) async fn events(&self, query: &str, timeout: Duration) -> Result<EventPage, RequestError> {
        self.call(Call::ListEvents { query }, timeout).await
    }

    /// Asks why a lock is held.
    pub(crate) async fn explain(
        &self,
        resource: &ResourceName,
        query: &str,
        timeout: Duration,
    ) -> Result<Explanation, RequestError> {
        self.call(Call::Explain { resource, query }, timeout).await
    }

    pub(crate) async fn owners(&self, query: &str, timeout: Duration) -> Result<OwnerPage, RequestError> {
        self.call(Call::ListOwners { query }, timeout).await
    }

    pub(crate) async fn owner(&self, owner: &Owner, timeout: Duration) -> Result<OwnerDetails, RequestError> {
        self.call(Call::Owner { owner }, timeout).await
    }

    pub(crate) async fn principal(
        &self,
        name: &str,
        timeout: Duration,
    ) -> Result<PrincipalDetails, RequestError> {
        self.call(Call::Principal { name }, timeout).await
    }

    /// Asks the server who the client is.
    pub(crate) async fn who_am_i(&self, timeout: Duration) -> Result<WhoAmI, RequestError> {
        self.call(Call::WhoAmI, timeout).await
    }
}
