//! The databases that the stories are told on.

use std::path::PathBuf;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tempfile::TempDir;

use super::postgres::Cluster;

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
