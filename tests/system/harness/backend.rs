//! The databases that the tests run on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tempfile::TempDir;

use super::now;
use super::postgres::PostgresCluster;
use super::postgres_proxy::FailoverProxy;
use super::server::ServerProcess;
use super::test_lock::{TestLock, shared_test_lock};

/// A database for one test. It holds the test lock, which is released once the
/// databases of the test, and with them its servers, are dropped.
pub(crate) trait Backend: Send + Sync + 'static {
    fn new() -> Self;

    /// The server's `--database-url`.
    fn url(&self) -> String;

    /// Executes statements directly in the database.
    fn execute(&self, sql: &str);

    /// Runs a query that returns one integer.
    fn query_i64(&self, sql: &str) -> i64;

    /// Keeps all servers from writing until the result is dropped.
    fn block_writes(&self) -> WritesBlocked;

    /// How many servers a test with several servers runs on this database.
    const MAX_SERVERS: usize;

    /// The number of events of the largest batch in the log.
    fn max_batch_events(&self) -> i64;

    /// Makes inserts of claims with the owner `reject me` fail.
    fn install_failing_trigger(&self);

    /// Makes the rows that are written to the event log from now on unreadable.
    fn damage_new_log_rows(&self);

    /// Whether events can be read before they are written to the event log.
    const EVENTS_PRECEDE_LOG: bool;

    fn stop_damaging_log_rows(&self);

    /// Moves everything that began while no server was running, and every
    /// absence before, into the past.
    fn age_absences(&self, seconds: i64);
}

/// How long the tables may lag behind what a server has committed, and much more.
const TABLES_FOLLOW_WITHIN: Duration = Duration::from_secs(3);

pub(crate) struct Sqlite {
    directory: TempDir,
    _lock: Arc<TestLock>,
}

impl Sqlite {
    fn file(&self) -> PathBuf {
        self.directory.path().join("test.db")
    }

    /// The path of the file without symbolic links.
    pub(crate) fn real_path(&self) -> PathBuf {
        self.directory.path().canonicalize().expect("a directory").join("test.db")
    }
}

impl Sqlite {
    /// A connection to the database whose tables are up to date: what a running server has
    /// committed was applied. If none is running, what is left is up to its next start.
    fn connect(&self) -> SqliteConnection {
        let mut database = SqliteConnection::establish(self.file().to_str().unwrap()).unwrap();
        let lags = "SELECT count(*) AS value FROM journal";
        let until = now() + TABLES_FOLLOW_WITHIN;
        while diesel::sql_query(lags).get_result::<IntegerRow>(&mut database).is_ok_and(|row| row.value > 0)
            && now() < until
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        database
    }

    /// Begins a transaction that reads, until the result is dropped.
    pub(crate) fn begin_read(&self) -> SqliteConnection {
        let mut database = SqliteConnection::establish(self.file().to_str().unwrap()).unwrap();
        database.batch_execute("BEGIN; SELECT count(*) FROM resources").unwrap();
        database
    }
}

impl Backend for Sqlite {
    fn new() -> Self {
        let lock = shared_test_lock();
        Self { directory: tempfile::tempdir().expect("a directory"), _lock: lock }
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }

    fn execute(&self, sql: &str) {
        self.connect().batch_execute(sql).unwrap();
    }

    fn query_i64(&self, sql: &str) -> i64 {
        let sql = diesel::sql_query(format!("SELECT ({sql}) AS value"));
        sql.get_result::<IntegerRow>(&mut self.connect()).unwrap().value
    }

    fn block_writes(&self) -> WritesBlocked {
        let mut database = SqliteConnection::establish(self.file().to_str().unwrap()).unwrap();
        database.batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE").unwrap();
        WritesBlocked(Box::new(database))
    }

    const MAX_SERVERS: usize = 1;

    const EVENTS_PRECEDE_LOG: bool = true;

    fn max_batch_events(&self) -> i64 {
        let counts = "SELECT upto - lag(upto, 1, 0) OVER (ORDER BY position) AS count FROM log";
        self.query_i64(&format!("SELECT max(count) FROM ({counts})"))
    }

    fn install_failing_trigger(&self) {
        self.execute(
            "CREATE TRIGGER reject BEFORE INSERT ON journal \
             WHEN instr(NEW.data, CAST('reject me' AS BLOB)) > 0 \
             BEGIN SELECT RAISE(ABORT, 'rejected'); END",
        );
    }

    fn damage_new_log_rows(&self) {
        self.execute(
            "CREATE TRIGGER damage AFTER INSERT ON log \
             BEGIN UPDATE log SET data = x'5bff00' WHERE position = NEW.position; END",
        );
    }

    fn stop_damaging_log_rows(&self) {
        self.execute("DROP TRIGGER damage");
    }

    fn age_absences(&self, seconds: i64) {
        self.execute(&age_waiters(seconds));
    }
}

fn age_waiters(seconds: i64) -> String {
    let micros = seconds * 1_000_000;
    format!(
        "UPDATE claims SET away_since = away_since - {micros}, check_at = check_at - {micros} \
         WHERE away_since IS NOT NULL"
    )
}

/// See [`Backend::block_writes`]: an open transaction, rolled back on drop.
pub(crate) struct WritesBlocked(#[expect(dead_code, reason = "held until dropped")] Box<dyn Send>);

pub(crate) struct Postgres {
    url: String,
    _lock: Arc<TestLock>,
}

impl Backend for Postgres {
    fn new() -> Self {
        let lock = shared_test_lock();
        Self { url: PostgresCluster::shared().new_database(), _lock: lock }
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    fn execute(&self, sql: &str) {
        PgConnection::establish(&self.url).unwrap().batch_execute(sql).unwrap();
    }

    fn query_i64(&self, sql: &str) -> i64 {
        let mut database = PgConnection::establish(&self.url).unwrap();
        let sql = diesel::sql_query(format!("SELECT ({sql}) AS value"));
        sql.get_result::<IntegerRow>(&mut database).unwrap().value
    }

    fn block_writes(&self) -> WritesBlocked {
        WritesBlocked(Box::new(self.begin("LOCK TABLE resources IN EXCLUSIVE MODE")))
    }

    const MAX_SERVERS: usize = 3;

    const EVENTS_PRECEDE_LOG: bool = false;

    fn max_batch_events(&self) -> i64 {
        self.query_i64("SELECT max(event_count) FROM batch_events")
    }

    fn install_failing_trigger(&self) {
        self.execute(
            "CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'rejected'; END $$; \
             CREATE TRIGGER reject BEFORE INSERT ON claims FOR EACH ROW WHEN (NEW.owner = 'reject me') \
             EXECUTE FUNCTION reject()",
        );
    }

    fn damage_new_log_rows(&self) {
        self.execute(
            "CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN NEW.events = '[{\"kind\":'; RETURN NEW; END $$; \
             CREATE TRIGGER damage BEFORE INSERT ON batch_events FOR EACH ROW EXECUTE FUNCTION damage()",
        );
    }

    fn stop_damaging_log_rows(&self) {
        self.execute("DROP TRIGGER damage ON batch_events");
    }

    fn age_absences(&self, seconds: i64) {
        self.execute(&age_waiters(seconds));
        let micros = seconds * 1_000_000;
        self.execute(&format!(
            "UPDATE replicas SET seen_at = seen_at - {micros}, gone_since = gone_since - {micros}"
        ));
    }
}

#[derive(QueryableByName)]
struct IntegerRow {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

impl Postgres {
    pub(crate) fn at(url: String) -> Self {
        Self { url, _lock: shared_test_lock() }
    }

    /// Executes statements in a transaction and leaves it open.
    pub(crate) fn begin(&self, sql: &str) -> OpenTransaction {
        let mut connection = PgConnection::establish(&self.url).unwrap();
        connection.batch_execute(&format!("BEGIN; {sql}")).unwrap();
        OpenTransaction(connection)
    }

    /// Starts a batch as another writer would: it has its number but has not
    /// committed.
    pub(crate) fn begin_late_batch(&self) -> OpenTransaction {
        self.execute(
            "INSERT INTO writers (id, replica, batch, at) SELECT 1, min(id), 0, 0 FROM replicas; \
             INSERT INTO placed (writer, batch) VALUES (1, 0)",
        );
        let event = r#"[{"kind":"queued","resource":"late","current_token":0,"version":1,"owner":"","queue_len":1,"at":0}]"#;
        self.begin(&format!(
            "INSERT INTO batch_events (batch, at, event_count, events, writer) \
             SELECT nextval('batches'), extract(epoch FROM clock_timestamp())::bigint * 1000000, 1, '{event}', 1"
        ))
    }

    /// Locks the row of a resource, as a batch of another server does.
    pub(crate) fn lock_row(&self, name: &str) -> OpenTransaction {
        self.begin(&format!("SELECT name FROM resources WHERE name = '{name}' FOR UPDATE"))
    }

    /// How many connections to this database wait for a lock.
    pub(crate) fn connections_waiting_for_locks(&self) -> i64 {
        self.query_i64(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    }

    /// The database's clock, which decides when a lease ends.
    pub(crate) fn clock_micros(&self) -> i64 {
        self.query_i64("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
    }
}

/// See [`Postgres::begin`].
pub(crate) struct OpenTransaction(PgConnection);

impl OpenTransaction {
    pub(crate) fn commit(mut self) {
        self.0.batch_execute("COMMIT").unwrap();
    }

    pub(crate) fn roll_back(mut self) {
        self.0.batch_execute("ROLLBACK").unwrap();
    }
}

/// A cluster for one test, which may stop it.
pub(crate) struct DedicatedPostgres {
    pub(crate) cluster: PostgresCluster,
    url: String,
}

impl DedicatedPostgres {
    pub(crate) fn start() -> Self {
        let cluster = PostgresCluster::start(&[]);
        let url = cluster.new_database();
        Self { cluster, url }
    }

    pub(crate) fn server(&self, arguments: &[&str]) -> ServerProcess<Postgres> {
        ServerProcess::on(&Arc::new(Postgres::at(self.url.clone())), arguments)
    }

    /// A server that connects to Postgres by way of a proxy on this port.
    pub(crate) fn server_through(&self, port: u16, arguments: &[&str]) -> ServerProcess<Postgres> {
        let url = self.url.replace(&format!(":{}/", self.cluster.port()), &format!(":{port}/"));
        ServerProcess::on(&Arc::new(Postgres::at(url)), arguments)
    }
}

/// A primary and its synchronous standby behind one address.
pub(crate) struct ReplicatedPostgres {
    primary: PostgresCluster,
    standby: PostgresCluster,
    address: FailoverProxy,
    database: String,
}

impl ReplicatedPostgres {
    pub(crate) fn start() -> Self {
        let primary = PostgresCluster::start(&["synchronous_commit=on", "synchronous_standby_names='*'"]);
        let standby = primary.start_standby();
        let address = FailoverProxy::to(primary.port());
        let url = primary.new_database();
        let database = url.rsplit('/').next().expect("a name").to_owned();
        Self { primary, standby, address, database }
    }

    pub(crate) fn server(&self) -> ServerProcess<Postgres> {
        let url = format!("postgres://dlm@127.0.0.1:{}/{}", self.address.port, self.database);
        ServerProcess::on(&Arc::new(Postgres::at(url)), &[])
    }

    /// The URL of a database that the standby has had from its start.
    pub(crate) fn standby_url(&self) -> String {
        self.standby.url("postgres")
    }

    /// Stops the standby: commits wait for it from now on.
    pub(crate) fn stop_standby(&mut self) {
        self.standby.stop_immediately();
    }

    pub(crate) fn start_standby(&mut self) {
        self.standby.restart();
    }

    /// Cancels all backends that wait for the standby; returns how many.
    pub(crate) fn cancel_waiting_commits(&self) -> i64 {
        Postgres::at(self.primary.url("postgres")).query_i64(
            "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
        )
    }

    /// Crashes the primary and promotes a standby that was stopped before, so that
    /// it has nothing of what was committed since.
    pub(crate) fn fail_over_to_stopped_standby(&mut self) {
        self.primary.stop_immediately();
        self.standby.restart();
        self.standby.promote();
        self.address.switch_to(self.standby.port());
    }

    /// Crashes the primary, promotes the standby, and redirects the address.
    pub(crate) fn fail_over(&mut self) {
        self.primary.stop_immediately();
        self.standby.promote();
        self.address.switch_to(self.standby.port());
    }
}
