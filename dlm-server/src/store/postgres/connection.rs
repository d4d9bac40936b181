//! Connections: what they are set up with, and how they reconnect.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Nullable, Text};

use dlm_pq::PqConnection;

use crate::store::{OpenError, StoreError};

/// Settings of every connection. What a database or role sets as its default,
/// such as another isolation level, does not apply. The timeouts keep a replica that is stopped in
/// the middle of a batch from holding its locks. Plans are generic and use
/// indexes only, whatever size a table had when its plan was made.
const SETTINGS: &str = "SET default_transaction_isolation = 'read committed'; \
    SET default_transaction_read_only = off; SET default_transaction_deferrable = off; \
    SET idle_in_transaction_session_timeout = '2s'; SET lock_timeout = '250ms'; \
    SET statement_timeout = '10s'; SET plan_cache_mode = force_generic_plan; SET jit = off; \
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;";

/// An acknowledged commit is durable even where the database defaults to less.
/// A stricter default is left alone.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') IN ('off', 'local');";

/// How long to wait for the reply to a statement: a little longer than
/// `statement_timeout`, so that only a database that has stopped is cut off.
pub(super) const REPLY_TIMEOUT: Duration = Duration::from_secs(12);

/// A setting without effect. It shows whether a transaction of another
/// connection reaches the same backend.
const PROBE: &str = "dlm.session_probe";

/// How many connections look for a pooler's mode. One is enough with a pooler
/// that reuses the backend that was freed last; others rotate.
const PROBE_CONNECTIONS: usize = 3;

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
    pub(super) fn new(url: &str) -> Result<Self, OpenError> {
        check(url)?;
        let mut url = url.to_owned();
        // A dead peer is detected within seconds.
        for (name, value) in [
            ("application_name", "dlm-server"),
            // Of several hosts, the primary.
            ("target_session_attrs", "read-write"),
            ("connect_timeout", "2"),
            ("tcp_user_timeout", "2000"),
            ("keepalives_idle", "2"),
            ("keepalives_interval", "1"),
            ("keepalives_count", "2"),
        ] {
            if !url.contains(&format!("{name}=")) {
                let separator = match url.rfind('?') {
                    None => "?",
                    Some(_) if url.ends_with(['?', '&']) => "",
                    Some(_) => "&",
                };
                url = format!("{url}{separator}{name}={value}");
            }
        }
        Ok(Self { url })
    }

    pub(super) fn connect(&self, durability: CommitDurability) -> Result<PqConnection, StoreError> {
        let mut connection =
            PqConnection::establish(&self.url).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        connection.set_deadline(Some(REPLY_TIMEOUT));
        require_utf8(&connection)?;
        self.require_session(&mut connection)?;
        prepare(&mut connection, durability)?;
        Ok(connection)
    }

    /// Fails if a pooler assigns backends per transaction. Settings, prepared
    /// statements and `LISTEN` would then reach the sessions of other clients.
    ///
    /// Behind a pooler, the process id given at the start is not the backend's.
    /// A transaction of a second connection then shows the mode: a pooler that
    /// assigns backends per transaction gives it the backend that this
    /// connection has just used, since that is free.
    fn require_session(&self, connection: &mut PqConnection) -> Result<(), StoreError> {
        // Nothing here is prepared: that, too, would reach other sessions.
        let pid: i32 = diesel::select(sql::<Integer>("pg_backend_pid()")).get_result(connection)?;
        if pid == connection.backend_pid() {
            return Ok(());
        }
        let probe = format!("{:x}", u64::from_be_bytes(crate::store::random()?));
        let mut others = Vec::new();
        for _ in 0..PROBE_CONNECTIONS {
            connection.batch_execute(&format!("SELECT set_config('{PROBE}', '{probe}', false)"))?;
            let mut other = PqConnection::establish(&self.url)
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
            other.set_deadline(Some(REPLY_TIMEOUT));
            // Keeps its backend, so that the next probe gets another one.
            other.batch_execute("BEGIN")?;
            let setting = format!("current_setting('{PROBE}', true)");
            let found: Option<String> =
                diesel::select(sql::<Nullable<Text>>(&setting)).get_result(&mut other)?;
            if found == Some(probe.clone()) {
                return Err(StoreError::Unavailable(
                    "a connection pooler assigns backends per transaction: \
                     configure it to pool per session, or connect to Postgres directly"
                        .into(),
                ));
            }
            others.push(other);
        }
        Ok(())
    }
}

/// Fails if a part of the password may be taken for something else, which libpq and
/// the resolver would show in their errors.
fn check(url: &str) -> Result<(), OpenError> {
    let after_scheme = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let rest = after_scheme.ok_or(OpenError::PostgresUrl("it must start with `postgres://`"))?;
    let user = rest.find(['@', '/']).filter(|end| rest[*end..].starts_with('@'));
    let server = user.map_or(rest, |end| &rest[end + 1..]);
    let server = server.split('?').next().unwrap_or_default();
    if server.contains('@') {
        return Err(OpenError::PostgresUrl(
            "`@`, `/` and other special characters in the user name and the password must be percent-encoded",
        ));
    }
    let hosts = server.split('/').next().unwrap_or_default();
    let has_port = |host: &str| {
        let after_host = host.rsplit(']').next().unwrap_or_default();
        after_host.split_once(':').is_none_or(|(_, port)| port.chars().all(|digit| digit.is_ascii_digit()))
    };
    if !hosts.split(',').all(has_port) {
        return Err(OpenError::PostgresUrl("a port is not a number"));
    }
    if !dlm_pq::is_valid_conninfo(url) {
        return Err(OpenError::PostgresUrl(
            "check the percent-encoding of its user name and password, and the names of its parameters",
        ));
    }
    Ok(())
}

/// Fails unless the database can store every name.
fn require_utf8(connection: &PqConnection) -> Result<(), StoreError> {
    match connection.parameter(c"server_encoding").as_deref() {
        Some("UTF8") => Ok(()),
        encoding => Err(StoreError::Unavailable(format!(
            "the database has the encoding {}, but UTF8 is required: \
             create it with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
            encoding.unwrap_or("unknown")
        ))),
    }
}

/// Applies the settings to a new connection.
fn prepare(connection: &mut PqConnection, durability: CommitDurability) -> QueryResult<()> {
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
    connection: Option<PqConnection>,
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
        work: impl FnOnce(&mut PqConnection) -> Result<T, StoreError>,
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
        let options = |url| ConnectOptions::new(url).unwrap();
        let added = |url| options(url).url.contains("dlm?application_name=dlm-server&");
        assert!(added("postgres://db/dlm") && added("postgres://db/dlm?"));
        let options = options("postgres://db/dlm?connect_timeout=9&sslmode=verify-full");
        assert!(options.url.starts_with("postgres://db/dlm?connect_timeout=9&sslmode=verify-full&"));
        assert_eq!(options.url.matches("connect_timeout").count(), 1);
    }

    #[test]
    fn url_with_several_hosts_sockets_and_addresses_is_valid() {
        for url in [
            "postgresql://me:s3cret@one:5432,two:5433/dlm?target_session_attrs=any",
            "postgres://me@[::1]:5432/dlm",
            "postgres://me:s%40c@%2Fvar%2Frun/dlm",
            "postgres:///dlm?host=/var/run&user=me@example.org",
            "postgres://db?user=me@example.org",
            "postgres://",
        ] {
            assert!(check(url).is_ok(), "{url}");
        }
    }
}
