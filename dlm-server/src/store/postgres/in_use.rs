//! Finds the resources that are held or waited for, of which there may be few among many.
//!
//! There is no index of their rows: each acquire and each release would change it, and with it all
//! indexes of the resource. Those with waiters are found by the index of the waiters. Those that
//! are held are among the names in use, which the sweeper clears of those that are not.

use diesel::pg::Pg;
use diesel::result::QueryResult;
use diesel::sql_types::BigInt;
use dlm_pq::PqConnection;

use super::batch_sql::LoadClaims;
use super::bulk::{self, Param};
use crate::store::names::NameRange;
use crate::store::rows::{ClaimRow, RESOURCE_ROW, ResourceRow, ResourceRowTypes};
use crate::store::statement::statements;

/// The held resources, looked up by the names in use: behind the second parameter, from the first on,
/// before the third.
const HELD: &str = "FROM resource_names AS named CROSS JOIN LATERAL (SELECT * FROM resources \
        WHERE resources.name = named.name AND resources.holder_count > 0) AS resources \
    WHERE named.in_use AND named.name >= ? AND named.name > ? AND named.name < ?";

/// The names with waiters, each found with one look into the index: from the first parameter on,
/// behind the second, before the third. The fourth is the third again.
const WAITED_FOR: &str = "WITH RECURSIVE waited_for (name) AS ( \
        (SELECT resource FROM claims WHERE ticket IS NOT NULL AND resource >= ? AND resource > ? AND resource < ? \
            ORDER BY resource LIMIT 1) \
        UNION ALL SELECT next.resource FROM waited_for, LATERAL (SELECT resource FROM claims \
            WHERE ticket IS NOT NULL AND resource > waited_for.name AND resource < ? \
            ORDER BY resource LIMIT 1) AS next)";

statements! {
    QueuedPage -> ResourceRowTypes<Pg> = &format!("{WAITED_FOR} SELECT {RESOURCE_ROW} \
        FROM (SELECT name FROM waited_for LIMIT ?) AS page JOIN resources USING (name) ORDER BY resources.name");
    LongestQueues -> ResourceRowTypes<Pg> = &format!("{WAITED_FOR} SELECT {RESOURCE_ROW} \
        FROM waited_for JOIN resources USING (name) ORDER BY resources.queue_len DESC, resources.name LIMIT ?");
    CountWaiters -> BigInt = &format!("{WAITED_FOR} SELECT coalesce(sum(resources.queue_len), 0)::bigint \
        FROM waited_for JOIN resources USING (name)");
    HeldPage -> ResourceRowTypes<Pg> = &format!("SELECT {RESOURCE_ROW} {HELD} ORDER BY named.name LIMIT ?");
    CountHeld -> (BigInt, BigInt) =
        &format!("SELECT count(*), coalesce(sum(resources.holder_count), 0)::bigint {HELD}");
}

/// Resources with waiters, by name, in this range and behind `after`.
pub(in crate::store) fn queued_page(
    connection: &mut PqConnection,
    names: &NameRange,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<ResourceRow>> {
    let NameRange { from, end } = names;
    let (from, end) = (from.as_str(), end.as_str());
    let params = vec![from.into(), after.into(), end.into(), end.into(), limit.into()];
    bulk::load::<QueuedPage, _>(connection, params)
}

/// The resources with the longest queues in this range.
pub(in crate::store) fn longest_queues(
    connection: &mut PqConnection,
    names: &NameRange,
    limit: i64,
) -> QueryResult<Vec<ResourceRow>> {
    let NameRange { from, end } = names;
    let (from, end) = (from.as_str(), end.as_str());
    // No name is empty.
    let params = vec![from.into(), "".into(), end.into(), end.into(), limit.into()];
    bulk::load::<LongestQueues, _>(connection, params)
}

/// The number of waiters in this range.
pub(in crate::store) fn count_waiters(connection: &mut PqConnection, names: &NameRange) -> QueryResult<i64> {
    let NameRange { from, end } = names;
    let (from, end) = (from.as_str(), end.as_str());
    let counts: Vec<i64> =
        bulk::load::<CountWaiters, _>(connection, vec![from.into(), "".into(), end.into(), end.into()])?;
    counts.first().copied().ok_or(diesel::result::Error::NotFound)
}

/// Held resources, by name, in this range and behind `after`.
pub(in crate::store) fn held_page(
    connection: &mut PqConnection,
    names: &NameRange,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<ResourceRow>> {
    let NameRange { from, end } = names;
    let params = vec![from.as_str().into(), after.into(), end.as_str().into(), limit.into()];
    bulk::load::<HeldPage, _>(connection, params)
}

/// How many resources in this range are held, and by how many leases.
pub(in crate::store) fn count_held(
    connection: &mut PqConnection,
    names: &NameRange,
) -> QueryResult<(i64, i64)> {
    let NameRange { from, end } = names;
    // No name is empty.
    let counts: Vec<(i64, i64)> =
        bulk::load::<CountHeld, _>(connection, vec![from.as_str().into(), "".into(), end.as_str().into()])?;
    counts.first().copied().ok_or(diesel::result::Error::NotFound)
}

/// The exclusive claims of these resources, by name.
pub(in crate::store) fn exclusive_claims(
    connection: &mut PqConnection,
    rows: &[ResourceRow],
) -> QueryResult<Vec<(String, ClaimRow)>> {
    let held = || rows.iter().filter_map(|row| Some((row.name.as_str(), row.exclusive_holder()?)));
    let params = vec![
        Param::texts(held().map(|(_, (_, key))| key)),
        Param::texts(held().map(|(name, _)| name)),
        Param::texts(held().map(|(_, (principal, _))| principal)),
    ];
    bulk::load::<LoadClaims, _>(connection, params)
}
