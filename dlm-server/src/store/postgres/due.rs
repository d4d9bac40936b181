//! Finds the resources that the sweeper has to check, by their names' rows.

use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Text};
use dlm_pq::PqConnection;

use super::bulk;
use crate::store::statement::statements;

statements! {
    DueResources -> Text = "SELECT name FROM resource_names WHERE check_at <= ? ORDER BY check_at LIMIT ?";
    NextCheck -> BigInt = "SELECT check_at FROM resource_names WHERE check_at > ? ORDER BY check_at LIMIT 1";
}

/// The resources to check by an instant, those that are due longest first.
pub(in crate::store) fn due_resources(
    connection: &mut PqConnection,
    by: i64,
    limit: i64,
) -> QueryResult<Vec<String>> {
    bulk::load::<DueResources, _>(connection, vec![by.into(), limit.into()])
}

/// The first check instant of a resource after this one.
pub(in crate::store) fn next_resource_check(
    connection: &mut PqConnection,
    after: i64,
) -> QueryResult<Option<i64>> {
    let next: Vec<i64> = bulk::load::<NextCheck, _>(connection, vec![after.into()])?;
    Ok(next.first().copied())
}
