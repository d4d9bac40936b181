//! Connections for reads: a pool for requests, and one for each background task.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use diesel::r2d2::{ManageConnection, Pool, R2D2Connection};
use diesel::sql_types::{BigInt, Text};
use dlm_engine::{ClaimKey, Micros};
use dlm_pq::PqConnection;
use dlm_protocol::limits::AWAY_GRACE_MS;

use super::bulk;
use super::connection::{CommitDurability, ConnectOptions, Reconnecting};
use super::{history, log, now};
use crate::store::statement::statements;
use crate::store::{
    ClaimRowKey, ClaimTotals, Contended, DueWork, InUseLimits, KeyRange, ListQuery, LockCounts, LogHead,
    LogPage, LogRow, Name, Names, QueueLimits, READERS, Reader, ReleaseRequest, ResourceHistory,
    ResourcePage, ResourceView, StoreError, in_use, release_requests, views,
};

statements! {
    /// Waiters of dead replicas whose check instant is later than they are due.
    Orphans -> (Text, Text, Text) = "SELECT claims.resource, claims.principal, claims.key FROM replicas \
        JOIN claims ON claims.replica = replicas.id \
        WHERE replicas.gone_since IS NOT NULL AND claims.check_at > replicas.gone_since + ? LIMIT ?";
    ReadKeyRange -> (Text, Text, Text, BigInt) = "SELECT resource, principal, key, \
        coalesce((ended_at < ?)::int::bigint, 0) FROM claims \
        WHERE (key, resource, principal) > (?, ?, ?) ORDER BY key, resource, principal LIMIT ?";
}

pub(super) enum PostgresReader {
    Pool(Pool<Connections>),
    One(Mutex<Reconnecting>),
}

/// Opens the connections of the pool.
#[derive(Debug)]
pub(super) struct Connections(ConnectOptions);

impl ManageConnection for Connections {
    type Connection = PqConnection;
    type Error = StoreError;

    fn connect(&self) -> Result<PqConnection, StoreError> {
        self.0.connect(CommitDurability::Durable)
    }

    fn is_valid(&self, connection: &mut PqConnection) -> Result<(), StoreError> {
        Ok(connection.ping()?)
    }

    fn has_broken(&self, connection: &mut PqConnection) -> bool {
        connection.is_broken()
    }
}

impl PostgresReader {
    /// A pool for requests.
    pub(super) fn pool(options: &ConnectOptions) -> Result<Self, String> {
        let pool = Pool::builder()
            .max_size(READERS as u32)
            .connection_timeout(Duration::from_secs(2))
            .build(Connections(options.clone()))
            .map_err(|error| error.to_string())?;
        Ok(Self::Pool(pool))
    }

    /// A connection for a background task, which never waits for one of the pool.
    pub(super) fn one(options: &ConnectOptions) -> Self {
        Self::One(Mutex::new(Reconnecting::new(options.clone(), CommitDurability::Durable)))
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut PqConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Pool(pool) => {
                work(&mut *pool.get().map_err(|error| StoreError::Unavailable(error.to_string()))?)
            }
            Self::One(connection) => connection.lock().unwrap_or_else(PoisonError::into_inner).with(work),
        }
    }

    /// Reads from one snapshot.
    fn read<T>(
        &self,
        read: impl FnOnce(&mut PqConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|connection| connection.build_transaction().repeatable_read().read_only().run(read))
    }
}

impl Reader for PostgresReader {
    fn now(&self) -> Result<Micros, StoreError> {
        self.with(now)
    }

    fn view(&self, name: &Name, waiters: usize) -> Result<(ResourceView, LogHead), StoreError> {
        self.read(|connection| Ok((views::view(connection, name, waiters)?, log::head(connection)?)))
    }

    fn queue_position(&self, name: &Name, key: &ClaimKey) -> Result<Option<u64>, StoreError> {
        self.read(|connection| views::queue_position(connection, name, key))
    }

    fn queue(&self, name: &Name) -> Result<Vec<ClaimKey>, StoreError> {
        self.read(|connection| views::queue(connection, name))
    }

    fn versions(&self, names: &[Name]) -> Result<HashMap<Name, u64>, StoreError> {
        self.read(|connection| views::versions(connection, names))
    }

    fn list(&self, query: &ListQuery, names: &Names) -> Result<ResourcePage, StoreError> {
        self.read(|connection| {
            let (views, next) = views::list(connection, query, names)?;
            Ok(ResourcePage { views, next, head: log::head(connection)? })
        })
    }

    fn list_again(&self, names: &[Name]) -> Result<Vec<ResourceView>, StoreError> {
        self.read(|connection| views::list_again(connection, names))
    }

    fn lock_counts(&self, long: Micros, names: &Names) -> Result<LockCounts, StoreError> {
        self.read(|connection| views::lock_counts(connection, long, names))
    }

    fn contended(&self, names: &Names, limits: QueueLimits) -> Result<Contended, StoreError> {
        self.read(|connection| views::contended(connection, names, limits))
    }

    fn in_use(&self, names: &Names, limits: InUseLimits) -> Result<Contended, StoreError> {
        self.read(|connection| in_use::in_use(connection, names, limits))
    }

    fn claim_totals(&self, names: &[Names]) -> Result<ClaimTotals, StoreError> {
        self.read(|connection| views::claim_totals(connection, names))
    }

    fn log(&self, from: i64, limit: i64) -> Result<LogPage, StoreError> {
        // The page contains everything committed before the call.
        self.with(log::assign_positions)?;
        self.read(|connection| log::read(connection, from, limit))
    }

    fn history(
        &self,
        name: &Name,
        upto: i64,
        each: &mut dyn FnMut(&LogRow) -> bool,
    ) -> Result<ResourceHistory, StoreError> {
        self.with(log::assign_positions)?;
        self.read(|connection| history::read(connection, name, upto, each))
    }

    fn due_work(&self, behind: Duration, limit: i64) -> Result<DueWork, StoreError> {
        self.read(|connection| {
            let now = now(connection)?;
            let by = Micros(now.0.saturating_sub(i64::try_from(behind.as_micros()).unwrap_or(i64::MAX)));
            let views::Due { resources, mut waiters, next } = views::due(connection, by, limit)?;
            let grace = (AWAY_GRACE_MS * 1000) as i64;
            let orphans: Vec<(String, String, String)> =
                bulk::load::<Orphans, _>(connection, vec![grace.into(), limit.into()])?;
            waiters.extend(orphans.into_iter().map(views::waiter));
            Ok(DueWork { now, resources, waiters, next })
        })
    }

    fn release_requests(&self) -> Result<(Micros, Vec<ReleaseRequest>), StoreError> {
        self.read(|connection| Ok((now(connection)?, release_requests::all(connection)?)))
    }

    fn key_range(
        &self,
        after: Option<&ClaimRowKey>,
        cutoff: Micros,
        limit: i64,
    ) -> Result<Option<KeyRange>, StoreError> {
        let start = ClaimRowKey::or_first(after);
        let (key, resource, principal) = (&*start.key, &*start.resource, &*start.principal);
        let params = vec![cutoff.0.into(), key.into(), resource.into(), principal.into(), limit.into()];
        let rows: Vec<(String, String, String, i64)> =
            self.with(|connection| Ok(bulk::load::<ReadKeyRange, _>(connection, params)?))?;
        let expired = rows.iter().map(|row| row.3).sum();
        let anonymous = rows.iter().any(|(_, principal, ..)| principal.is_empty());
        let more = rows.len() as i64 == limit;
        Ok(rows.into_iter().next_back().map(|(resource, principal, key, _)| KeyRange {
            last: ClaimRowKey { resource, principal, key },
            expired,
            anonymous,
            more,
        }))
    }
}
