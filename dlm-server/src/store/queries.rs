//! The reads that both databases answer alike.

use super::ClaimRowKey;

/// Defines them for a connection: diesel's queries are typed by their backend.
macro_rules! read_queries {
    ($connection:ty) => {
        use diesel::dsl::sql;
        use diesel::prelude::*;
        use diesel::sql_types::BigInt;
        use dlm_engine::{Claim, ClaimKey, Micros};
        use dlm_protocol::StateFilter;
        use dlm_protocol::limits::{MAX_HOLDERS_SHOWN, MAX_WAITERS_SHOWN};

        use crate::store::queries::prefix_end;
        use crate::store::rows::{ClaimRow, ResourceRow};
        use crate::store::schema::{claims, floors, resources};
        use crate::store::{ListQuery, LockCounts, Name, ResourceView, StoreError, TOP, floor_bucket};

        /// The claim with this key.
        pub(super) fn claim(
            connection: &mut $connection,
            name: &str,
            key: &ClaimKey,
        ) -> Result<Option<Claim>, StoreError> {
            let row = claims::table
                .filter(claims::resource.eq(name))
                .filter(claims::principal.eq(&*key.principal))
                .filter(claims::key.eq(&*key.key))
                .select(ClaimRow::as_select())
                .first(connection)
                .optional()?;
            row.map(ClaimRow::into_claim).transpose()
        }

        /// The claim that was force-released with this token.
        pub(super) fn force_released(
            connection: &mut $connection,
            name: &str,
            token: u64,
        ) -> Result<Option<Claim>, StoreError> {
            let row = claims::table
                .filter(claims::resource.eq(name))
                .filter(claims::forced_token.eq(token as i64))
                .select(ClaimRow::as_select())
                .first(connection)
                .optional()?;
            row.map(ClaimRow::into_claim).transpose()
        }

        /// The waiters behind a ticket, in their order.
        pub(super) fn waiters(
            connection: &mut $connection,
            name: &str,
            after: i64,
            limit: i64,
        ) -> Result<Vec<Claim>, StoreError> {
            let rows = claims::table
                .filter(claims::resource.eq(name))
                .filter(claims::ticket.gt(after))
                .order(claims::ticket)
                .limit(limit)
                .select(ClaimRow::as_select())
                .load(connection)?;
            rows.into_iter().map(ClaimRow::into_claim).collect()
        }

        /// The live shared claims, by token.
        pub(super) fn shared_holders(
            connection: &mut $connection,
            name: &str,
            limit: i64,
        ) -> Result<Vec<Claim>, StoreError> {
            let rows = claims::table
                .filter(claims::resource.eq(name))
                .filter(claims::shared_token.gt(0))
                .order(claims::shared_token)
                .limit(limit)
                .select(ClaimRow::as_select())
                .load(connection)?;
            rows.into_iter().map(ClaimRow::into_claim).collect()
        }

        /// A resource with its first holders and waiters.
        pub(super) fn view(connection: &mut $connection, name: &Name) -> Result<ResourceView, StoreError> {
            let row = resources::table
                .find(&**name)
                .select(ResourceRow::as_select())
                .first(connection)
                .optional()?;
            match row {
                Some(row) => {
                    let waiters = waiters(connection, name, 0, MAX_WAITERS_SHOWN as i64)?;
                    view_of(connection, row, waiters)
                }
                None => unused(connection, name),
            }
        }

        fn view_of(
            connection: &mut $connection,
            row: ResourceRow,
            waiters: Vec<Claim>,
        ) -> Result<ResourceView, StoreError> {
            let holders = match row.holder() {
                Some(key) => claim(connection, &row.name, &key)?.into_iter().collect(),
                None if row.holder_count > 0 => {
                    shared_holders(connection, &row.name, MAX_HOLDERS_SHOWN as i64)?
                }
                None => Vec::new(),
            };
            Ok(ResourceView { row: row.to_record(), name: Name::from(row.name), holders, waiters })
        }

        fn view_with_first_waiter(
            connection: &mut $connection,
            row: ResourceRow,
        ) -> Result<ResourceView, StoreError> {
            let first = match row.queue_len {
                0 => Vec::new(),
                _ => waiters(connection, &row.name, 0, 1)?,
            };
            view_of(connection, row, first)
        }

        /// How all locks stand; who began to wait before `long` has waited long.
        pub(super) fn lock_counts(
            connection: &mut $connection,
            long: Micros,
        ) -> Result<LockCounts, StoreError> {
            let (held, leases, waiting): (i64, i64, i64) = resources::table
                .filter(resources::holder_count.gt(0).or(resources::queue_len.gt(0)))
                .select((
                    sql::<BigInt>("count(CASE WHEN holder_count > 0 THEN 1 END)"),
                    sql::<BigInt>("CAST(coalesce(sum(holder_count), 0) AS BIGINT)"),
                    sql::<BigInt>("CAST(coalesce(sum(queue_len), 0) AS BIGINT)"),
                ))
                .first(connection)?;
            let contended: Vec<ResourceRow> = resources::table
                .filter(resources::queue_len.gt(0))
                .order((resources::queue_len.desc(), resources::name))
                .limit(TOP)
                .select(ResourceRow::as_select())
                .load(connection)?;
            let oldest: Vec<(String, ClaimRow)> = claims::table
                .filter(claims::ticket.is_not_null())
                .order((claims::enqueued_at, claims::resource, claims::ticket))
                .limit(TOP)
                .select((claims::resource, ClaimRow::as_select()))
                .load(connection)?;
            let long_waits: i64 = claims::table
                .filter(claims::ticket.is_not_null())
                .filter(claims::enqueued_at.lt(long.0))
                .count()
                .get_result(connection)?;
            let count = |number: i64| u64::try_from(number).unwrap_or(0);
            Ok(LockCounts {
                held: count(held),
                leases: count(leases),
                waiting: count(waiting),
                long_waits: count(long_waits),
                oldest: oldest
                    .into_iter()
                    .map(|(name, row)| Ok((Name::from(name), row.into_claim()?)))
                    .collect::<Result<_, StoreError>>()?,
                contended: contended
                    .into_iter()
                    .map(|row| view_with_first_waiter(connection, row))
                    .collect::<Result<_, _>>()?,
            })
        }

        /// A name without a row: free, with the counters that clean-up left.
        fn unused(connection: &mut $connection, name: &Name) -> Result<ResourceView, StoreError> {
            let floor: Option<(i64, i64)> = floors::table
                .find(floor_bucket(name))
                .select((floors::token, floors::version))
                .first(connection)
                .optional()?;
            let (token, version) = floor.unwrap_or_default();
            let row = dlm_engine::ResourceRecord {
                token: token as u64,
                version: version as u64,
                ..Default::default()
            };
            Ok(ResourceView { name: Name::clone(name), row, holders: Vec::new(), waiters: Vec::new() })
        }

        /// Where a waiter stands: 1 is the head of the queue.
        pub(super) fn queue_position(
            connection: &mut $connection,
            name: &str,
            key: &ClaimKey,
        ) -> Result<Option<u64>, StoreError> {
            let ticket: Option<Option<i64>> = claims::table
                .find((name, &*key.principal, &*key.key))
                .select(claims::ticket)
                .first(connection)
                .optional()?;
            let Some(ticket) = ticket.flatten() else { return Ok(None) };
            let ahead: i64 = claims::table
                .filter(claims::resource.eq(name))
                .filter(claims::ticket.le(ticket))
                .count()
                .get_result(connection)?;
            Ok(Some(ahead as u64))
        }

        /// A page of resources.
        pub(super) fn list(
            connection: &mut $connection,
            query: &ListQuery,
        ) -> Result<Vec<ResourceView>, StoreError> {
            let mut select = resources::table
                .select(ResourceRow::as_select())
                .filter(resources::name.ge(&query.prefix))
                .order(resources::name)
                .limit(query.limit as i64)
                .into_boxed();
            if let Some(end) = prefix_end(&query.prefix) {
                select = select.filter(resources::name.lt(end));
            }
            if let Some(after) = &query.after {
                select = select.filter(resources::name.gt(after));
            }
            select = match query.state {
                StateFilter::Held => select.filter(resources::holder_count.gt(0)),
                StateFilter::Waiting => select.filter(resources::queue_len.gt(0)),
                StateFilter::All => select,
            };
            let rows = select.load(connection)?;
            rows.into_iter().map(|row| view_with_first_waiter(connection, row)).collect()
        }

        /// Resources and waiters to look at by this instant, and when to look
        /// again for the next one.
        #[allow(clippy::type_complexity, reason = "each part is used once, right away")]
        pub(super) fn due_work(
            connection: &mut $connection,
            by: Micros,
            limit: i64,
        ) -> Result<(Vec<Name>, Vec<(Name, ClaimKey)>, Option<Micros>), StoreError> {
            let names: Vec<String> = resources::table
                .filter(resources::check_at.le(by.0))
                .order(resources::check_at)
                .limit(limit)
                .select(resources::name)
                .load(connection)?;
            let waiters: Vec<(String, String, String)> = claims::table
                .filter(claims::check_at.le(by.0))
                .order(claims::check_at)
                .limit(limit)
                .select((claims::resource, claims::principal, claims::key))
                .load(connection)?;
            let next_resource: Option<i64> = resources::table
                .filter(resources::check_at.gt(by.0))
                .order(resources::check_at)
                .select(resources::check_at)
                .first(connection)
                .optional()?;
            let next_waiter: Option<Option<i64>> = claims::table
                .filter(claims::check_at.gt(by.0))
                .order(claims::check_at)
                .select(claims::check_at)
                .first(connection)
                .optional()?;
            let waiters = waiters
                .into_iter()
                .map(|(resource, principal, key)| (Name::from(resource), ClaimKey::new(principal, key)))
                .collect();
            let next = next_resource.into_iter().chain(next_waiter.flatten()).min().map(Micros);
            Ok((names.into_iter().map(Name::from).collect(), waiters, next))
        }
    };
}

pub(super) use read_queries;

impl ClaimRowKey {
    /// No key is empty: what is before all of them.
    pub(super) fn or_first(after: Option<&Self>) -> Self {
        let empty = || Self { resource: String::new(), principal: String::new(), key: String::new() };
        after.cloned().unwrap_or_else(empty)
    }
}

/// The first text, by bytes, behind all that begin with the prefix; `None`
/// when there is none.
pub(super) fn prefix_end(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_behind_every_name_with_it_and_before_the_next() {
        for (prefix, end) in
            [("a", "b"), ("a/", "a0"), ("z\u{10ffff}", "{"), ("\u{d7ff}", "\u{e000}"), ("é", "ê")]
        {
            assert_eq!(prefix_end(prefix).as_deref(), Some(end));
            assert!(format!("{prefix}\u{10ffff}\u{10ffff}").as_str() < end);
        }
        assert_eq!(prefix_end(""), None);
        assert_eq!(prefix_end("\u{10ffff}"), None);
    }
}
