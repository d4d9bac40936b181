//! What owners and principals hold and wait for, computed once for all callers that may observe the same
//! resources.
//!
//! - `cursor`: where a page ends
//! - `table`: all owners at one instant; `details`: all of one owner, or of one principal

mod cursor;
mod details;
mod table;

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Context;
use dlm_protocol::OwnerPage;
use dlm_protocol::limits::MAX_PAGE_BYTES;

use super::access::{View, names_in_sight};
use super::operation::{OwnerFilter, OwnersQuery};
use super::scopes::{Computed, Scopes};
use super::wait_graph::Snapshot;
use super::{Error, Outcome, Service};
use crate::auth::Visibility;
use crate::store::{Contended, InUseLimits, Reader};
use cursor::Place;
use table::OwnerTable;

/// What a computation looks at. With more it would take longer than a second.
const LIMITS: InUseLimits =
    InUseLimits { queues: 1_000, waiters: 10_000, leases: 10_000, within: Duration::from_secs(1) };

/// About how many bytes of JSON an owner takes on a page, without the texts.
const ROW_BYTES: usize = 256;

/// The last tables of owners.
pub(super) type Owners = Scopes<OwnerTable, ()>;

impl Service {
    pub(super) async fn owners(&self, view: View, query: OwnersQuery) -> Result<Outcome, Error> {
        let after = query.after.as_deref().map(Place::decode).transpose()?;
        let take = move |table: &OwnerTable| page(table, &query, after.as_ref());
        self.with_owners(view, take).await.map(Outcome::Owners)
    }

    pub(super) async fn owner(&self, view: View, owner: OwnerFilter) -> Result<Outcome, Error> {
        let details = self.with_owners(view, move |table| table.details(&owner)).await??;
        Ok(Outcome::Owner(Box::new(details)))
    }

    pub(super) async fn principal(&self, view: View, principal: String) -> Result<Outcome, Error> {
        let details = self.with_owners(view, move |table| table.principal(principal)).await??;
        Ok(Outcome::Principal(Box::new(details)))
    }

    async fn with_owners<R: Send + 'static>(
        &self,
        view: View,
        take: impl FnOnce(&OwnerTable) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (membership, limits) = (Arc::clone(&self.0.membership), Arc::clone(&self.0.limits));
        let compute = move |reader: &dyn Reader, visibility: &Visibility, _| {
            let now = reader.now()?;
            let Contended { views, complete } = reader.in_use(&names_in_sight(visibility), LIMITS)?;
            let replicas = membership.current();
            let context = Context { now, replicas: &replicas, limits: &limits };
            Ok((OwnerTable::new(Snapshot::new(context, views), now, complete)?, ()))
        };
        let take = move |Computed { result, .. }: &Computed<OwnerTable>| take(result);
        self.computed(&self.0.owners, view, compute, take).await
    }
}

/// The owners of a page.
fn page(table: &OwnerTable, query: &OwnersQuery, after: Option<&Place>) -> OwnerPage {
    let mut owners = Vec::new();
    let (mut next, mut bytes) = (None, 0);
    for owner in table.owners().filter(|owner| query.matches(owner)) {
        let place = Place::of(owner);
        if after.is_some_and(|after| place <= *after) {
            continue;
        }
        bytes += ROW_BYTES + owner.owner.as_str().len() + owner.principal.as_ref().map_or(0, String::len);
        if owners.len() == query.limit || (bytes > MAX_PAGE_BYTES && !owners.is_empty()) {
            next = owners.last().map(|last| Place::of(last).encode());
            break;
        }
        owners.push(owner.clone());
    }
    OwnerPage { at: table.at(), complete: table.is_complete(), owners, next }
}

#[cfg(test)]
mod tests;
