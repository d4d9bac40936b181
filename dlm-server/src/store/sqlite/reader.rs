//! What is committed, for those who don't write.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool, PooledConnection};
use diesel::sql_types::{BigInt, Text};
use dlm_engine::{Claim, ClaimKey, Micros};
use dlm_protocol::StateFilter;
use dlm_protocol::limits::{MAX_HOLDERS_SHOWN, MAX_WAITERS_SHOWN};

use super::rows::{ClaimRow, ResourceRow};
use super::schema::{claims, floors, log, resources, writers};
use super::{Location, PRAGMAS};
use crate::clock::Clock;
use crate::service::ListQuery;
use crate::store::{
    ClaimName, Due, Head, LogRow, Name, Purge, Reader, StoreError, Stretch, View, floor_bucket,
};

/// Reads are short; more would only contend for the processors.
const READERS: u32 = 4;

pub(super) struct SqliteReader {
    pool: Pool<ConnectionManager<SqliteConnection>>,
    clock: Clock,
}

#[derive(Debug)]
struct ReadOnly;

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for ReadOnly {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        connection
            .batch_execute(PRAGMAS)
            .and_then(|()| connection.batch_execute("PRAGMA query_only = ON"))
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

impl SqliteReader {
    pub(super) fn open(location: Location, clock: Clock) -> Result<Self, String> {
        let pool = Pool::builder()
            .max_size(READERS)
            .connection_timeout(Duration::from_secs(5))
            .connection_customizer(Box::new(ReadOnly))
            .build(ConnectionManager::new(location.path))
            .map_err(|error| error.to_string())?;
        Ok(Self { pool, clock })
    }

    fn connection(&self) -> Result<PooledConnection<ConnectionManager<SqliteConnection>>, StoreError> {
        self.pool.get().map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

impl Reader for SqliteReader {
    fn now(&self) -> Result<Micros, StoreError> {
        Ok(self.clock.now())
    }

    fn view(&self, name: &Name) -> Result<(View, Head), StoreError> {
        self.connection()?.transaction(|connection| {
            let row = resources::table
                .find(&**name)
                .select(ResourceRow::as_select())
                .first(connection)
                .optional()?;
            let view = match row {
                Some(row) => {
                    let waiters = waiters(connection, name, 0, MAX_WAITERS_SHOWN as i64)?;
                    view(connection, row, waiters)?
                }
                None => unused(connection, name)?,
            };
            Ok((view, head(connection)?))
        })
    }

    fn position(&self, name: &Name, key: &ClaimKey) -> Result<Option<u64>, StoreError> {
        self.connection()?.transaction(|connection| {
            let ticket: Option<Option<i64>> = claims::table
                .find((&**name, &*key.principal, &*key.key))
                .select(claims::ticket)
                .first(connection)
                .optional()?;
            let Some(ticket) = ticket.flatten() else { return Ok(None) };
            let ahead: i64 = claims::table
                .filter(claims::resource.eq(&**name))
                .filter(claims::ticket.le(ticket))
                .count()
                .get_result(connection)?;
            Ok(Some(ahead as u64))
        })
    }

    fn list(&self, query: &ListQuery) -> Result<(Vec<View>, Head), StoreError> {
        self.connection()?.transaction(|connection| {
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
            let views = rows.into_iter().map(|row| view(connection, row, Vec::new()));
            Ok((views.collect::<Result<_, StoreError>>()?, head(connection)?))
        })
    }

    fn log(&self, from: i64, limit: i64) -> Result<(Vec<LogRow>, Head), StoreError> {
        self.connection()?.transaction(|connection| {
            let rows: Vec<(i64, String)> = log::table
                .filter(log::position.ge(from))
                .order(log::position)
                .limit(limit)
                .select((log::position, log::events))
                .load(connection)?;
            let rows = rows.into_iter().map(|(position, events)| LogRow { position, events }).collect();
            Ok((rows, head(connection)?))
        })
    }

    fn due(&self, now: Micros, limit: i64) -> Result<Due, StoreError> {
        self.connection()?.transaction(|connection| {
            let resources: Vec<String> = resources::table
                .filter(resources::check_at.le(now.0))
                .order(resources::check_at)
                .limit(limit)
                .select(resources::name)
                .load(connection)?;
            let waiters: Vec<(String, String, String)> = claims::table
                .filter(claims::check_at.le(now.0))
                .order(claims::check_at)
                .limit(limit)
                .select((claims::resource, claims::principal, claims::key))
                .load(connection)?;
            let next_resource: Option<i64> = resources::table
                .filter(resources::check_at.gt(now.0))
                .select(diesel::dsl::min(resources::check_at))
                .first(connection)?;
            let next_waiter: Option<i64> = claims::table
                .filter(claims::check_at.gt(now.0))
                .select(diesel::dsl::min(claims::check_at))
                .first(connection)?;
            Ok(Due {
                resources: resources.into_iter().map(Name::from).collect(),
                waiters: waiters
                    .into_iter()
                    .map(|(resource, principal, key)| (Name::from(resource), ClaimKey::new(principal, key)))
                    .collect(),
                next: next_resource.into_iter().chain(next_waiter).min().map(Micros),
            })
        })
    }

    fn stretch(
        &self,
        after: Option<&ClaimName>,
        cutoff: Micros,
        limit: i64,
    ) -> Result<Option<Stretch>, StoreError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            resource: String,
            #[diesel(sql_type = Text)]
            principal: String,
            #[diesel(sql_type = Text)]
            key: String,
            #[diesel(sql_type = BigInt)]
            forgettable: i64,
        }
        let start = ClaimName::start(after);
        let rows: Vec<Row> = diesel::sql_query(
            "SELECT resource, principal, key, coalesce(ended_at < ?, 0) AS forgettable FROM claims \
             WHERE (key, resource, principal) > (?, ?, ?) ORDER BY key, resource, principal LIMIT ?",
        )
        .bind::<BigInt, _>(cutoff.0)
        .bind::<Text, _>(&start.key)
        .bind::<Text, _>(&start.resource)
        .bind::<Text, _>(&start.principal)
        .bind::<BigInt, _>(limit)
        .load(&mut *self.connection()?)?;
        let forgettable = rows.iter().map(|row| row.forgettable).sum();
        let more = rows.len() as i64 == limit;
        Ok(rows.into_iter().next_back().map(|row| Stretch {
            last: ClaimName { resource: row.resource, principal: row.principal, key: row.key },
            forgettable,
            more,
        }))
    }
}

impl ClaimName {
    /// No key is empty: what is before all of them.
    fn start(after: Option<&Self>) -> Self {
        let empty = || Self { resource: String::new(), principal: String::new(), key: String::new() };
        after.cloned().unwrap_or_else(empty)
    }
}

pub(super) fn purge(connection: &mut SqliteConnection, purge: &Purge) -> Result<usize, StoreError> {
    let start = ClaimName::start(purge.after.as_ref());
    Ok(diesel::sql_query(
        "DELETE FROM claims WHERE (key, resource, principal) > (?, ?, ?) AND (key, resource, principal) <= (?, ?, ?) \
         AND ended_at < ?",
    )
    .bind::<Text, _>(&start.key)
    .bind::<Text, _>(&start.resource)
    .bind::<Text, _>(&start.principal)
    .bind::<Text, _>(&purge.last.key)
    .bind::<Text, _>(&purge.last.resource)
    .bind::<Text, _>(&purge.last.principal)
    .bind::<BigInt, _>(purge.cutoff.0)
    .execute(connection)?)
}

/// The waiters behind a ticket, in their order.
pub(super) fn waiters(
    connection: &mut SqliteConnection,
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
    connection: &mut SqliteConnection,
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

fn view(
    connection: &mut SqliteConnection,
    row: ResourceRow,
    waiters: Vec<Claim>,
) -> Result<View, StoreError> {
    let holders = match (&row.holder_principal, &row.holder_key) {
        (Some(principal), Some(key)) => claims::table
            .find((&row.name, principal, key))
            .select(ClaimRow::as_select())
            .load(connection)?
            .into_iter()
            .map(ClaimRow::into_claim)
            .collect::<Result<_, _>>()?,
        _ if row.holder_count > 0 => shared_holders(connection, &row.name, MAX_HOLDERS_SHOWN as i64)?,
        _ => Vec::new(),
    };
    Ok(View { row: row.stored(), name: Arc::from(row.name), holders, waiters })
}

/// A name without a row: free, with the counters that clean-up left.
fn unused(connection: &mut SqliteConnection, name: &Name) -> Result<View, StoreError> {
    let floor: Option<(i64, i64)> = floors::table
        .find(floor_bucket(name))
        .select((floors::token, floors::version))
        .first(connection)
        .optional()?;
    let (token, version) = floor.unwrap_or_default();
    let row = dlm_engine::Stored { token: token as u64, version: version as u64, ..Default::default() };
    Ok(View { name: Arc::clone(name), row, holders: Vec::new(), waiters: Vec::new() })
}

fn head(connection: &mut SqliteConnection) -> Result<Head, StoreError> {
    let last: Option<i64> = writers::table.select(diesel::dsl::max(writers::batch)).first(connection)?;
    Ok(Head(last.unwrap_or(0)))
}

/// The first text, by bytes, behind all that begin with the prefix; `None`
/// when there is none.
fn prefix_end(prefix: &str) -> Option<String> {
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
