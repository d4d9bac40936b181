//! Requests to let go of a lease, as they are stored: one for each token.
//!
//! They are in a table of their own, which the batches of the writers neither read nor write.

use std::sync::Arc;

use diesel::prelude::*;
use dlm_engine::Micros;
use dlm_pq::PqConnection;

use super::queries::declare::queries;
use super::schema::release_requests;
use super::{Name, StoreError};

/// How many may be stored. Each is read by every replica.
const MAX_STORED: i64 = 10_000;

/// A request to let go of the lease with this token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReleaseRequest {
    pub(crate) name: Name,
    pub(crate) token: u64,
    pub(crate) reason: Arc<str>,
    /// The principal; `None` for the anonymous one.
    pub(crate) requested_by: Option<Arc<str>>,
    pub(crate) requested_at: Micros,
    pub(crate) deadline: Micros,
    /// Whether the lease is force-released at the deadline.
    pub(crate) force: bool,
}

/// The stored requests, of a writer. Each call is a transaction of its own.
pub(crate) trait ReleaseRequestStore {
    /// Stores a request, and returns what is stored: the first one with its token. `None` if
    /// there are too many.
    fn add_release_request(&mut self, request: &ReleaseRequest)
    -> Result<Option<ReleaseRequest>, StoreError>;

    /// Deletes the request with this token, if there is one.
    fn delete_release_request(&mut self, name: &Name, token: u64) -> Result<(), StoreError>;
}

queries! {
    fn release_request(c, name: &str, token: i64) -> Option<ReleaseRequestRow> {
        release_requests::table.find((name, token)).select(ReleaseRequestRow::as_select()).get_result(c).optional()
    }
    fn release_requests(c) -> Vec<ReleaseRequestRow> {
        release_requests::table.select(ReleaseRequestRow::as_select()).load(c)
    }
    fn insert_release_request(c, request: &ReleaseRequestRow) -> usize {
        diesel::insert_into(release_requests::table).values(request).on_conflict_do_nothing().execute(c)
    }
    fn delete_release_request(c, name: &str, token: i64) -> usize {
        diesel::delete(release_requests::table.find((name, token))).execute(c)
    }
    fn count_release_requests(c) -> i64 {
        release_requests::table.count().get_result(c)
    }
}

#[derive(Queryable, Insertable, Selectable)]
#[diesel(table_name = release_requests)]
pub(super) struct ReleaseRequestRow {
    resource: String,
    token: i64,
    reason: String,
    requested_by: String,
    requested_at: i64,
    deadline: i64,
    force: bool,
}

impl From<&ReleaseRequest> for ReleaseRequestRow {
    fn from(request: &ReleaseRequest) -> Self {
        Self {
            resource: request.name.to_string(),
            token: request.token as i64,
            reason: request.reason.to_string(),
            requested_by: request.requested_by.as_deref().unwrap_or_default().to_owned(),
            requested_at: request.requested_at.0,
            deadline: request.deadline.0,
            force: request.force,
        }
    }
}

impl From<ReleaseRequestRow> for ReleaseRequest {
    fn from(row: ReleaseRequestRow) -> Self {
        Self {
            name: row.resource.into(),
            token: row.token as u64,
            reason: row.reason.into(),
            requested_by: Some(row.requested_by).filter(|by| !by.is_empty()).map(Into::into),
            requested_at: Micros(row.requested_at),
            deadline: Micros(row.deadline),
            force: row.force,
        }
    }
}

/// Stores a request unless there is one with its token. Within a transaction.
pub(super) fn add(
    connection: &mut impl Queries,
    request: &ReleaseRequest,
) -> Result<Option<ReleaseRequest>, StoreError> {
    let (name, token) = (&*request.name, request.token as i64);
    if let Some(first) = connection.release_request(name, token)? {
        return Ok(Some(first.into()));
    }
    if connection.count_release_requests()? >= MAX_STORED {
        return Ok(None);
    }
    // Another replica may have inserted one meanwhile.
    connection.insert_release_request(&request.into())?;
    Ok(connection.release_request(name, token)?.map(Into::into))
}

pub(super) fn delete(connection: &mut impl Queries, name: &str, token: u64) -> Result<(), StoreError> {
    connection.delete_release_request(name, token as i64)?;
    Ok(())
}

pub(super) fn all(connection: &mut impl Queries) -> Result<Vec<ReleaseRequest>, StoreError> {
    Ok(connection.release_requests()?.into_iter().map(Into::into).collect())
}
