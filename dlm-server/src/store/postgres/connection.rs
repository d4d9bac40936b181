//! Connections: what they are set up with, and how they reconnect.

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;

use super::bulk;
use crate::store::StoreError;
use crate::store::statement::statements;

statements! {
    MessageLanguage -> diesel::sql_types::Text = "SELECT current_setting('lc_messages')";
}

/// Settings of every connection. The timeouts keep a replica that is stopped in
/// the middle of a batch from holding its locks. Plans are generic and use
/// indexes only, whatever size a table had when its plan was made.
const SETTINGS: &str = "SET idle_in_transaction_session_timeout = '2s'; SET lock_timeout = '250ms'; \
    SET statement_timeout = '10s'; SET plan_cache_mode = force_generic_plan; SET jit = off; \
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;";

/// An acknowledged commit is durable even where the database defaults to less.
/// A stricter default is left alone.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') IN ('off', 'local');";

/// Whether an acknowledged commit survives a crash of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitDurability {
    Durable,
    /// For state that is worthless after a crash, such as heartbeats.
    MayBeLost,
}

/// The URL of the database with connection options for fast failure detection.
#[derive(Debug, Clone)]
pub(super) struct ConnectOptions {
    url: String,
}

impl ConnectOptions {
    /// Adds the options that the URL does not set.
    pub(super) fn new(url: &str) -> Self {
        let mut url = url.to_owned();
        // A dead peer is detected within seconds.
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

    pub(super) fn connect(&self, durability: CommitDurability) -> Result<PgConnection, StoreError> {
        let mut connection =
            PgConnection::establish(&self.url).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        prepare(&mut connection, durability)?;
        Ok(connection)
    }
}

/// Fails unless the database reports errors in English: some errors are told
/// apart by their text alone.
pub(super) fn require_english(connection: &mut PgConnection) -> Result<(), StoreError> {
    let rows: Vec<String> = bulk::load::<MessageLanguage, _>(connection, Vec::new())?;
    match rows.first() {
        Some(language)
            if !["", "C", "POSIX"].contains(&&**language)
                && !language.starts_with("C.")
                && !language.starts_with("en") =>
        {
            Err(StoreError::Unavailable(format!(
                "its messages are in {language}, but English is required: run ALTER ROLE … SET lc_messages = 'C'"
            )))
        }
        _ => Ok(()),
    }
}

/// Applies the settings to a new connection.
pub(super) fn prepare(connection: &mut PgConnection, durability: CommitDurability) -> QueryResult<()> {
    connection.batch_execute(SETTINGS)?;
    match durability {
        CommitDurability::Durable => connection.batch_execute(DURABLE),
        CommitDurability::MayBeLost => connection.batch_execute("SET synchronous_commit = off"),
    }
}

/// A connection that is opened on first use, and reopened after an error.
pub(super) struct Reconnecting {
    options: ConnectOptions,
    durability: CommitDurability,
    connection: Option<PgConnection>,
}

impl Reconnecting {
    pub(super) fn new(options: ConnectOptions, durability: CommitDurability) -> Self {
        Self { options, durability, connection: None }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    pub(super) fn with<T>(
        &mut self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect(self.durability)?,
        };
        let result = work(&mut connection)?;
        self.connection = Some(connection);
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_in_the_url_take_precedence() {
        let options = ConnectOptions::new("postgres://db/dlm?connect_timeout=9&sslmode=verify-full");
        assert!(options.url().starts_with("postgres://db/dlm?connect_timeout=9&sslmode=verify-full&"));
        assert_eq!(options.url().matches("connect_timeout").count(), 1);
        assert!(ConnectOptions::new("postgres://db/dlm").url().contains("dlm?application_name=dlm-server&"));
    }
}
