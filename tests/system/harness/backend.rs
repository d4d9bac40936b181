//! The databases that the stories are told on.

use std::path::PathBuf;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tempfile::TempDir;

use super::cutter::Switch;
use super::postgres::Cluster;
use super::server::Server;

/// A database that one story has for itself.
pub(crate) trait Backend: Send + Sync + 'static {
    fn new() -> Self;

    /// As the server is told.
    fn url(&self) -> String;

    /// Runs statements in the database, behind the server's back.
    fn run(&self, sql: &str);

    /// Has the database refuse claims of the owner `refuse me`.
    fn refuse_one_owner(&self);
}

pub(crate) struct Sqlite(TempDir);

impl Sqlite {
    fn file(&self) -> PathBuf {
        self.0.path().join("test.db")
    }
}

impl Backend for Sqlite {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }

    fn run(&self, sql: &str) {
        let mut database = SqliteConnection::establish(self.file().to_str().unwrap()).unwrap();
        database.batch_execute(sql).unwrap();
    }

    fn refuse_one_owner(&self) {
        self.run(
            "CREATE TRIGGER refuse BEFORE INSERT ON claims WHEN NEW.owner = 'refuse me' \
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
        );
    }
}

pub(crate) struct Postgres {
    url: String,
}

impl Backend for Postgres {
    fn new() -> Self {
        Self { url: Cluster::shared().new_database() }
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    fn run(&self, sql: &str) {
        PgConnection::establish(&self.url).unwrap().batch_execute(sql).unwrap();
    }

    fn refuse_one_owner(&self) {
        self.run(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'refused'; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON claims FOR EACH ROW WHEN (NEW.owner = 'refuse me') \
             EXECUTE FUNCTION refuse()",
        );
    }
}

impl Postgres {
    pub(crate) fn at(url: String) -> Self {
        Self { url }
    }

    /// A batch of another writer that has taken its number, and whose
    /// transaction goes on.
    pub(crate) fn late_batch(&self) -> LateBatch {
        let mut connection = PgConnection::establish(&self.url).unwrap();
        let event = r#"[{"kind":"queued","resource":"late","current_token":0,"version":1,"owner":"","queue_len":1,"at":0}]"#;
        connection
            .batch_execute(&format!(
                "BEGIN; INSERT INTO batch_events (batch, at, count, events) \
                 SELECT nextval('batches'), extract(epoch FROM clock_timestamp())::bigint * 1000000, 1, '{event}'; \
                 INSERT INTO unplaced SELECT currval('batches')"
            ))
            .unwrap();
        LateBatch(connection)
    }
}

/// See [`Postgres::late_batch`].
pub(crate) struct LateBatch(PgConnection);

impl LateBatch {
    pub(crate) fn commit(mut self) {
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
        Server::on(&Arc::new(Postgres { url: self.url.clone() }), arguments)
    }

    /// A server whose connections pass through something else.
    pub(crate) fn server_through(&self, port: u16, arguments: &[&str]) -> Server<Postgres> {
        let url = self.url.replace(&format!(":{}/", self.cluster.port()), &format!(":{port}/"));
        Server::on(&Arc::new(Postgres { url }), arguments)
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
        Server::on(&Arc::new(Postgres { url }), &[])
    }

    /// The primary dies, the standby takes its place.
    pub(crate) fn fail_over(&mut self) {
        self.primary.stop_immediately();
        self.standby.promote();
        self.address.switch(self.standby.port());
    }
}
