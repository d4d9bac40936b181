//! The databases that the stories are told on.

use std::path::PathBuf;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tempfile::TempDir;

use super::cutter::Switch;
use super::postgres::Cluster;
use super::server::Server;
use super::turn::{Turn, beside_others};

/// A database that one story has for itself. The story's turn is over when its
/// databases are gone, and with them its servers.
pub(crate) trait Backend: Send + Sync + 'static {
    fn new() -> Self;

    /// As the server is told.
    fn url(&self) -> String;

    /// Runs statements in the database, behind the server's back.
    fn run(&self, sql: &str);

    /// What a query counts.
    fn number(&self, sql: &str) -> i64;

    /// As many servers as may be on it, for a story that has several.
    const SERVERS: usize;

    /// Has the database refuse claims of the owner `refuse me`.
    fn refuse_one_owner(&self);
}

pub(crate) struct Sqlite {
    folder: TempDir,
    _turn: Arc<Turn>,
}

impl Sqlite {
    fn file(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }
}

impl Backend for Sqlite {
    fn new() -> Self {
        let turn = beside_others();
        Self { folder: tempfile::tempdir().expect("a folder"), _turn: turn }
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }

    fn run(&self, sql: &str) {
        let mut database = SqliteConnection::establish(self.file().to_str().unwrap()).unwrap();
        database.batch_execute(sql).unwrap();
    }

    fn number(&self, sql: &str) -> i64 {
        let mut database = SqliteConnection::establish(self.file().to_str().unwrap()).unwrap();
        let sql = diesel::sql_query(format!("SELECT ({sql}) AS number"));
        sql.get_result::<Number>(&mut database).unwrap().number
    }

    const SERVERS: usize = 1;

    fn refuse_one_owner(&self) {
        self.run(
            "CREATE TRIGGER refuse BEFORE INSERT ON claims WHEN NEW.owner = 'refuse me' \
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
        );
    }
}

pub(crate) struct Postgres {
    url: String,
    _turn: Arc<Turn>,
}

impl Backend for Postgres {
    fn new() -> Self {
        let turn = beside_others();
        Self { url: Cluster::shared().new_database(), _turn: turn }
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    fn run(&self, sql: &str) {
        PgConnection::establish(&self.url).unwrap().batch_execute(sql).unwrap();
    }

    fn number(&self, sql: &str) -> i64 {
        let mut database = PgConnection::establish(&self.url).unwrap();
        let sql = diesel::sql_query(format!("SELECT ({sql}) AS number"));
        sql.get_result::<Number>(&mut database).unwrap().number
    }

    const SERVERS: usize = 3;

    fn refuse_one_owner(&self) {
        self.run(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'refused'; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON claims FOR EACH ROW WHEN (NEW.owner = 'refuse me') \
             EXECUTE FUNCTION refuse()",
        );
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl Postgres {
    pub(crate) fn at(url: String) -> Self {
        Self { url, _turn: beside_others() }
    }

    /// A transaction that has done this, and goes on.
    pub(crate) fn open(&self, sql: &str) -> Transaction {
        let mut connection = PgConnection::establish(&self.url).unwrap();
        connection.batch_execute(&format!("BEGIN; {sql}")).unwrap();
        Transaction(connection)
    }

    /// A batch of another writer that has taken its number, and whose
    /// transaction goes on.
    pub(crate) fn late_batch(&self) -> Transaction {
        let event = r#"[{"kind":"queued","resource":"late","current_token":0,"version":1,"owner":"","queue_len":1,"at":0}]"#;
        self.open(&format!(
            "INSERT INTO batch_events (batch, at, count, events) \
             SELECT nextval('batches'), extract(epoch FROM clock_timestamp())::bigint * 1000000, 1, '{event}'; \
             INSERT INTO unplaced SELECT currval('batches')"
        ))
    }

    /// Another server that is at work on a resource.
    pub(crate) fn lock_row(&self, name: &str) -> Transaction {
        self.open(&format!("SELECT name FROM resources WHERE name = '{name}' FOR UPDATE"))
    }

    /// How many of its connections wait for a lock.
    pub(crate) fn waiting_for_locks(&self) -> i64 {
        self.number(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    }

    /// What decides when a lease ends.
    pub(crate) fn clock(&self) -> i64 {
        self.number("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
    }
}

/// See [`Postgres::open`].
pub(crate) struct Transaction(PgConnection);

impl Transaction {
    pub(crate) fn release(mut self) {
        self.0.batch_execute("COMMIT").unwrap();
    }
}

/// A cluster that one story has for itself, to stop it.
pub(crate) struct Own {
    pub(crate) cluster: Cluster,
    url: String,
}

impl Own {
    pub(crate) fn start() -> Self {
        let cluster = Cluster::start(&[]);
        let url = cluster.new_database();
        Self { cluster, url }
    }

    pub(crate) fn server(&self, arguments: &[&str]) -> Server<Postgres> {
        Server::on(&Arc::new(Postgres::at(self.url.clone())), arguments)
    }

    /// A server whose connections pass through something else.
    pub(crate) fn server_through(&self, port: u16, arguments: &[&str]) -> Server<Postgres> {
        let url = self.url.replace(&format!(":{}/", self.cluster.port()), &format!(":{port}/"));
        Server::on(&Arc::new(Postgres::at(url)), arguments)
    }
}

/// A primary and its synchronous standby, behind one address.
pub(crate) struct Standby {
    primary: Cluster,
    standby: Cluster,
    address: Switch,
    database: String,
}

impl Standby {
    pub(crate) fn start() -> Self {
        let primary = Cluster::start(&["synchronous_commit=on", "synchronous_standby_names='*'"]);
        let standby = primary.follow();
        let address = Switch::to(primary.port());
        let url = primary.new_database();
        let database = url.rsplit('/').next().expect("a name").to_owned();
        Self { primary, standby, address, database }
    }

    pub(crate) fn server(&self) -> Server<Postgres> {
        let url = format!("postgres://dlm@127.0.0.1:{}/{}", self.address.port, self.database);
        Server::on(&Arc::new(Postgres::at(url)), &[])
    }

    /// The primary dies, the standby takes its place.
    pub(crate) fn fail_over(&mut self) {
        self.primary.stop_immediately();
        self.standby.promote();
        self.address.switch(self.standby.port());
    }
}
