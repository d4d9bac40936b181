//! The stored requests to let go of a lease.

use diesel::prelude::*;

use super::PostgresStore;
use crate::store::{Name, ReleaseRequest, ReleaseRequestStore, StoreError, release_requests};

impl ReleaseRequestStore for PostgresStore {
    fn add_release_request(
        &mut self,
        request: &ReleaseRequest,
    ) -> Result<Option<ReleaseRequest>, StoreError> {
        self.connection.transaction(|connection| release_requests::add(connection, request))
    }

    fn delete_release_request(&mut self, name: &Name, token: u64) -> Result<(), StoreError> {
        release_requests::delete(&mut self.connection, name, token)
    }
}
