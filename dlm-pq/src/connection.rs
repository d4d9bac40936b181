//! [`PqConnection`]: diesel's traits over a libpq connection.

use std::any::TypeId;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fmt;
use std::time::Duration;

use diesel::connection::{
    AnsiTransactionManager, CacheSize, Connection, ConnectionSealed, DefaultLoadingMode, Instrumentation,
    LoadConnection, SimpleConnection, TransactionManager, get_default_instrumentation,
};
use diesel::expression::QueryMetadata;
use diesel::migration::{CREATE_MIGRATIONS_TABLE, MigrationConnection};
use diesel::pg::{
    GetPgMetadataCache, Pg, PgMetadataCache, PgQueryBuilder, PgTypeMetadata, TransactionBuilder,
};
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::query_builder::{Query, QueryBuilder, QueryFragment, QueryId};
use diesel::r2d2::R2D2Connection;
use diesel::result::{ConnectionError, ConnectionResult, Error, QueryResult};

use crate::raw::{Notice, Notification, RawConnection};
use crate::result::RawResult;
use crate::row::{Cursor, PqRow};

/// A blocking connection to Postgres.
///
/// A statement that diesel knows by a static id is prepared once per connection.
pub struct PqConnection {
    raw: RawConnection,
    prepared: HashMap<TypeId, CString>,
    transaction: AnsiTransactionManager,
    instrumentation: Option<Box<dyn Instrumentation>>,
    metadata: PgMetadataCache,
}

impl fmt::Debug for PqConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PqConnection").field("raw", &self.raw).finish_non_exhaustive()
    }
}

impl PqConnection {
    /// Limits the wait for the reply to each later request; `None`, as at the
    /// start, waits without a limit.
    ///
    /// A request that runs into the limit fails with the code
    /// [`NO_REPLY`](crate::NO_REPLY). The server may still be executing it, so
    /// the connection must be dropped.
    pub fn set_deadline(&mut self, deadline: Option<Duration>) {
        self.raw.set_deadline(deadline);
    }

    /// Takes the notices that arrived since the last call, at most 64.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.raw.take_notices()
    }

    /// The next notification. If none has arrived, waits this long for one.
    ///
    /// # Errors
    ///
    /// If the connection is lost.
    pub fn notification(&mut self, timeout: Duration) -> QueryResult<Option<Notification>> {
        self.raw.notification(timeout)
    }

    /// Starts to build a transaction with an isolation level and access mode.
    pub fn build_transaction(&mut self) -> TransactionBuilder<'_, Self> {
        TransactionBuilder::new(self)
    }

    /// The process id that the other end gave at the start. Behind a connection
    /// pooler it is not the process id of the backend (`pg_backend_pid()`).
    #[must_use]
    pub fn backend_pid(&self) -> i32 {
        self.raw.backend_pid()
    }

    /// A setting that the server reports by itself, such as `server_encoding`,
    /// `server_version` or `in_hot_standby`.
    #[must_use]
    pub fn parameter(&self, name: &CStr) -> Option<String> {
        self.raw.parameter(name)
    }

    /// Collects the parameters of a query, prepares it if that is worth it, and
    /// runs it.
    fn run<T>(&mut self, source: &T) -> QueryResult<RawResult>
    where
        T: QueryFragment<Pg> + QueryId + ?Sized,
    {
        let mut binds = RawBytesBindCollector::<Pg>::new();
        source.collect_binds(&mut binds, self, &Pg)?;
        let id = T::query_id().filter(|_| T::HAS_STATIC_QUERY_ID);
        let result = match id.and_then(|id| self.prepared.get(&id)) {
            Some(name) => self.raw.execute_prepared(name, &binds.binds),
            None => self.run_new(source, id, &binds),
        };
        self.note_status();
        result
    }

    fn run_new<T>(
        &mut self,
        source: &T,
        id: Option<TypeId>,
        binds: &RawBytesBindCollector<Pg>,
    ) -> QueryResult<RawResult>
    where
        T: QueryFragment<Pg> + ?Sized,
    {
        let mut sql = PgQueryBuilder::default();
        source.to_sql(&mut sql, &Pg)?;
        let sql = CString::new(sql.finish())?;
        let oid = |metadata: &PgTypeMetadata| metadata.oid();
        let types = binds.metadata.iter().map(oid).collect::<Result<Vec<u32>, _>>();
        let types = types.map_err(|error| Error::SerializationError(error.into()))?;
        let Some(id) = id.filter(|_| source.is_safe_to_cache_prepared(&Pg).unwrap_or(false)) else {
            return self.raw.execute_once(&sql, &types, &binds.binds);
        };
        let name = CString::new(format!("dlm_{}", self.prepared.len()))?;
        self.raw.prepare(&name, &sql, &types)?;
        let name = self.prepared.entry(id).or_insert(name);
        self.raw.execute_prepared(name, &binds.binds)
    }

    /// A connection that is lost is of no more use to the transaction manager.
    fn note_status(&mut self) {
        if !self.raw.is_connected() {
            AnsiTransactionManager::transaction_manager_status_mut(self).set_in_error();
        }
    }
}

impl SimpleConnection for PqConnection {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        let executed = self.raw.execute_simple(&CString::new(query)?);
        self.note_status();
        executed
    }
}

impl ConnectionSealed for PqConnection {}

impl Connection for PqConnection {
    type Backend = Pg;
    type TransactionManager = AnsiTransactionManager;

    fn establish(conninfo: &str) -> ConnectionResult<Self> {
        let raw = RawConnection::connect(conninfo).map_err(ConnectionError::BadConnection)?;
        let mut connection = Self {
            raw,
            prepared: HashMap::new(),
            transaction: AnsiTransactionManager::default(),
            instrumentation: get_default_instrumentation(),
            metadata: PgMetadataCache::new(),
        };
        connection
            .batch_execute("SET client_encoding TO 'UTF8'")
            .map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(connection)
    }

    fn execute_returning_count<T>(&mut self, source: &T) -> QueryResult<usize>
    where
        T: QueryFragment<Pg> + QueryId,
    {
        Ok(self.run(source)?.affected())
    }

    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        &mut self.transaction
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        &mut self.instrumentation
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.instrumentation = Some(Box::new(instrumentation));
    }

    /// Statements with a static id are always prepared; the size has no effect.
    fn set_prepared_statement_cache_size(&mut self, _size: CacheSize) {}
}

impl LoadConnection<DefaultLoadingMode> for PqConnection {
    type Cursor<'conn, 'query> = Cursor;
    type Row<'conn, 'query> = PqRow;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> QueryResult<Cursor>
    where
        T: Query + QueryFragment<Pg> + QueryId + 'query,
        Pg: QueryMetadata<T::SqlType>,
    {
        self.run(&source).map(Cursor::new)
    }
}

impl MigrationConnection for PqConnection {
    fn setup(&mut self) -> QueryResult<usize> {
        self.batch_execute(CREATE_MIGRATIONS_TABLE).map(|()| 0)
    }
}

impl GetPgMetadataCache for PqConnection {
    fn get_metadata_cache(&mut self) -> &mut PgMetadataCache {
        &mut self.metadata
    }
}

impl R2D2Connection for PqConnection {
    fn ping(&mut self) -> QueryResult<()> {
        self.batch_execute("SELECT 1")
    }

    fn is_broken(&mut self) -> bool {
        !self.raw.is_connected() || AnsiTransactionManager::is_broken_transaction_manager(self)
    }
}
