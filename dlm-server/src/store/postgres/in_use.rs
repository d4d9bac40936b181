//! Finds the resources that are held or waited for, of which there may be few among many.
//!
//! There is no index of them: each acquire and each release would change it, and with it all
//! indexes of the resource. Those with waiters are found by the index of the waiters. Those that
//! are held are looked for among the next names, and if that does not fill the page, among all.

use diesel::pg::Pg;
use diesel::result::QueryResult;
use diesel::sql_types::BigInt;
use dlm_pq::PqConnection;

use super::bulk;
use crate::store::names::NameRange;
use crate::store::rows::{RESOURCE_ROW, ResourceRow, ResourceRowTypes};
use crate::store::statement::statements;

/// Among how many of the next names held resources are looked for first.
const NEXT_NAMES: i64 = 2_000;

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
    HeldAmongNext -> ResourceRowTypes<Pg> = &format!("SELECT {RESOURCE_ROW} FROM (SELECT * FROM resources \
        WHERE name >= ? AND name > ? AND name < ? ORDER BY name LIMIT ?) AS resources \
        WHERE resources.holder_count > 0 ORDER BY resources.name LIMIT ?");
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

/// Held resources among the next names, by name, in this range and behind `after`: all that the
/// page has place for, or `None` if the page may need more names.
pub(in crate::store) fn held_among_next(
    connection: &mut PqConnection,
    names: &NameRange,
    after: &str,
    limit: i64,
) -> QueryResult<Option<Vec<ResourceRow>>> {
    let NameRange { from, end } = names;
    let params =
        vec![from.as_str().into(), after.into(), end.as_str().into(), NEXT_NAMES.into(), limit.into()];
    let rows: Vec<ResourceRow> = bulk::load::<HeldAmongNext, _>(connection, params)?;
    Ok((rows.len() as i64 == limit).then_some(rows))
}
