//! Connections: how they are made, and made again.

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;

use super::bulk::{self, statements};
use crate::store::StoreError;

statements! {
    Language -> diesel::sql_types::Text = "SELECT current_setting('lc_messages')";
}

/// What every connection begins with. A replica that is stopped in the middle
/// of a batch must not keep its locks. Plans are made once; the tables are only
/// ever asked by their indexes, however small they are when the plan is made.
const SETTINGS: &str = "SET idle_in_transaction_session_timeout = '2s'; SET lock_timeout = '250ms'; \
    SET statement_timeout = '10s'; SET plan_cache_mode = force_generic_plan; SET jit = off; \
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;";

/// What is acknowledged lasts: a database that is set to acknowledge earlier is
/// asked to wait. One that is set to wait for more is left as it is.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') IN ('off', 'local');";

/// Whether a commit is waited for to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commits {
    Last,
    /// For what is as good as new after a crash.
    MayBeLost,
}

/// Which database it is.
#[derive(Debug, Clone)]
pub(super) struct Location {
    url: String,
}

impl Location {
    pub(super) fn new(url: &str) -> Self {
        let mut url = url.to_owned();
        // A connection whose other end is gone is noticed in seconds.
        for (name, value) in [
            ("application_name", "dlm-server"),
            ("connect_timeout", "2"),
            ("tcp_user_timeout", "2000"),
            ("keepalives_idle", "2"),
            ("keepalives_interval", "1"),
            ("keepalives_count", "2"),
        ] {
            if !url.contains(&format!("{name}=")) {
                let separator = if url.contains('?') { '&' } else { '?' };
                url = format!("{url}{separator}{name}={value}");
            }
        }
        Self { url }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn connect(&self, commits: Commits) -> Result<PgConnection, StoreError> {
        let mut connection =
            PgConnection::establish(&self.url).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        prepare(&mut connection, commits)?;
        Ok(connection)
    }
}

/// What goes wrong is told apart by what the database says of it, so it has to
/// say so in English.
pub(super) fn understood(connection: &mut PgConnection) -> Result<(), StoreError> {
    let rows: Vec<String> = bulk::load::<Language, _>(connection, Vec::new())?;
    match rows.first() {
        Some(language)
            if !["", "C", "POSIX"].contains(&&**language)
                && !language.starts_with("C.")
                && !language.starts_with("en") =>
        {
            Err(StoreError::Unavailable(format!(
                "the database speaks {language}; have it speak English: ALTER ROLE … SET lc_messages = 'C'"
            )))
        }
        _ => Ok(()),
    }
}

/// Sets up a connection that was just made.
pub(super) fn prepare(connection: &mut PgConnection, commits: Commits) -> QueryResult<()> {
    connection.batch_execute(SETTINGS)?;
    match commits {
        Commits::Last => connection.batch_execute(DURABLE),
        Commits::MayBeLost => connection.batch_execute("SET synchronous_commit = off"),
    }
}

/// A connection that is made when it is needed, and made again after an error.
pub(super) struct Link {
    location: Location,
    commits: Commits,
    connection: Option<PgConnection>,
}

impl Link {
    pub(super) fn new(location: Location, commits: Commits) -> Self {
        Self { location, commits, connection: None }
    }

    pub(super) fn is_up(&self) -> bool {
        self.connection.is_some()
    }

    pub(super) fn with<T>(
        &mut self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.location.connect(self.commits)?,
        };
        let worked = work(&mut connection)?;
        self.connection = Some(connection);
        Ok(worked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_says_of_a_connection_stands() {
        let location = Location::new("postgres://db/dlm?connect_timeout=9&sslmode=verify-full");
        assert!(location.url().starts_with("postgres://db/dlm?connect_timeout=9&sslmode=verify-full&"));
        assert_eq!(location.url().matches("connect_timeout").count(), 1);
        assert!(Location::new("postgres://db/dlm").url().contains("dlm?application_name=dlm-server&"));
    }
}
