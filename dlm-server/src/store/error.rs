//! Store errors, and what a database's own errors mean.

use diesel::result::Error as DieselError;

/// Why a store operation failed. The texts are for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// A claim that was assumed to be new exists already.
    #[error("a claim with this key exists already")]
    KeyExists,
    /// The database rejected the data. Retrying does not help.
    #[error("the database rejected the data: {0}")]
    Rejected(String),
    /// The database can't be used now.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// Another program has locked the SQLite file. A new connection would not help.
    #[error("the database is locked by another program: {0}")]
    Locked(String),
    /// A COMMIT failed, and it is unknown whether it was applied.
    #[error("commit outcome unknown")]
    CommitOutcomeUnknown,
    /// The transaction was rolled back; why, for callers. It may succeed when retried.
    #[error("the transaction was rolled back")]
    NotCommitted(&'static str),
    /// Stored data violates an invariant, or was written by another version.
    #[error("the database contains data that this version can't read: {0}")]
    Corrupt(String),
    /// Another server wrote to a database that must belong to this one.
    #[error("another server has written to the database")]
    ForeignWriter,
}

/// Why a store could not be opened. The texts are for operators.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("unsupported database URL: it must start with `sqlite:` or `postgres:`")]
    Scheme,
    #[error(
        "only SQLite databases can be shown: on Postgres, query the views holders_readable, waiters_readable and \
         events_readable"
    )]
    ShowPostgres,
    #[error("the SQLite URL contains no file path")]
    NoFile,
    #[error("the database {path} is in use by another dlm-server: stop that server first")]
    InUse { path: String },
    #[error("the SQLite URL has options, which are not supported: {0}")]
    SqliteOptions(String),
    #[error("could not open the file {path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("could not open the database {path}: {why}")]
    Database { path: String, why: String },
    /// Says nothing of the URL itself: it may contain a password.
    #[error("the Postgres URL is not valid: {0}")]
    PostgresUrl(&'static str),
    #[error("could not open the Postgres database: {why}")]
    Postgres { why: String },
    #[error("the database is in use by {0} running servers: stop them first")]
    InService(usize),
    #[error("could not migrate the database: {0}")]
    Migration(String),
    #[error(
        "the database has schema version {database}, but this dlm-server supports versions up to {supported}: \
         start the newer dlm-server that migrated it"
    )]
    NewerSchema { database: String, supported: String },
    #[error("could not start the server: {0}")]
    Stopped(String),
    #[error("the secret file {path} is too short: it must contain at least 32 bytes")]
    ShortSecret { path: String },
}

/// What callers learn of a database that can't be used for no particular reason.
pub(crate) const NOT_AVAILABLE: &str = "the database is not available";

/// Messages of SQLite's errors that the data did not cause. diesel passes on a
/// message but not its code; these are constants in SQLite's source.
const SQLITE_UNAVAILABLE: [&str; 7] = [
    "disk I/O error",
    "database or disk is full",
    "unable to open database file",
    "attempt to write a readonly database",
    "out of memory",
    "interrupted",
    "file is not a database",
];
const SQLITE_LOCKED: [&str; 2] = ["database is locked", "database table is locked"];

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let text = error.to_string();
        if let Some(code) = dlm_pq::sqlstate(&error) {
            return Self::from_sqlstate(code, text);
        }
        match &error {
            DieselError::DatabaseError(_, info) => {
                let message = info.message();
                let is_one_of = |known: &[&str]| known.iter().any(|known| message.contains(known));
                if is_one_of(&SQLITE_UNAVAILABLE) {
                    Self::Unavailable(text)
                } else if is_one_of(&SQLITE_LOCKED) {
                    Self::Locked(text)
                } else if message.contains("database disk image is malformed") {
                    Self::Corrupt(text)
                } else {
                    Self::Rejected(text)
                }
            }
            DieselError::SerializationError(_) | DieselError::QueryBuilderError(_) => Self::Rejected(text),
            DieselError::DeserializationError(_) => Self::Corrupt(text),
            _ => Self::Unavailable(text),
        }
    }
}

impl From<DieselError> for OpenError {
    fn from(error: DieselError) -> Self {
        Self::Migration(error.to_string())
    }
}

impl StoreError {
    /// Why the database can't be used now, for callers. The database's own text may
    /// name hosts and users.
    pub(crate) fn for_callers(&self) -> &'static str {
        let text = match self {
            Self::Locked(_) => return "another program has locked the database",
            Self::NotCommitted(why) => return why,
            Self::Unavailable(text) => text,
            _ => return NOT_AVAILABLE,
        };
        let is_one_of = |known: &[&str]| known.iter().any(|known| text.contains(known));
        if is_one_of(&["database or disk is full", "53100"]) {
            "the database can't be written: its disk is full"
        } else if is_one_of(&["readonly database", "25006", "session is read-only", "hot standby"]) {
            "the database can't be written: it is read-only"
        } else if is_one_of(&["disk I/O error", "58030"]) {
            "the database can't be written: its disk reports errors"
        } else {
            NOT_AVAILABLE
        }
    }

    /// Why an operation failed, for an error that already says what failed.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Unavailable(why) | Self::Rejected(why) | Self::Corrupt(why) => why.clone(),
            error => error.to_string(),
        }
    }

    /// What an error of Postgres means.
    fn from_sqlstate(code: &str, text: String) -> Self {
        match code {
            // serialization_failure, deadlock_detected, lock_not_available.
            "40001" | "40P01" | LOCK_NOT_AVAILABLE | CALL_REFUSED | RESOURCE_CHANGED => {
                Self::NotCommitted(NOT_AVAILABLE)
            }
            // query_canceled: `statement_timeout`, or an administrator.
            // read_only_sql_transaction: the primary was demoted; a reconnect may
            // reach its successor.
            "57014" | "25006" | dlm_pq::NO_REPLY => Self::Unavailable(text),
            // A timeout of idle transactions, or of transactions.
            "25P03" | "25P04" => Self::Unavailable(text),
            // data_corrupted, index_corrupted.
            "XX001" | "XX002" => Self::Corrupt(text),
            _ => match &code[..2] {
                // Connection exceptions, insufficient resources, operator
                // intervention, system errors.
                "08" | "53" | "57" | "58" => Self::Unavailable(text),
                _ => Self::Rejected(text),
            },
        }
    }
}

/// What an optimistic batch assumed does not hold: of one of its resources, or anything else. The migration
/// `places_and_links` has both, too.
const RESOURCE_CHANGED: &str = "DLM03";
const CALL_REFUSED: &str = "DLM02";

/// A lock was not granted within `lock_timeout`.
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Whether an error of Postgres means that another server changes the same resources.
pub(crate) fn is_conflict(sqlstate: &str) -> bool {
    // deadlock_detected
    matches!(sqlstate, RESOURCE_CHANGED | LOCK_NOT_AVAILABLE | "40P01")
}

#[cfg(test)]
mod tests {
    use diesel::result::DatabaseErrorKind;

    use super::*;

    fn database_error(message: &str) -> StoreError {
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned())).into()
    }

    #[test]
    fn postgres_errors_are_classified_by_sqlstate_in_any_language() {
        for code in ["57P01", "57014", "53100", "08006", "25006", "DLM01", "25P03"] {
            let error = database_error(&format!("{code}: Verbindung wird abgebrochen"));
            assert!(matches!(error, StoreError::Unavailable(_)), "{code}: {error:?}");
        }
        for code in ["40001", "40P01", "55P03", "DLM02", "DLM03"] {
            let error = database_error(&format!("{code}: Sperre"));
            assert!(matches!(error, StoreError::NotCommitted(_)), "{code}: {error:?}");
        }
        assert!(matches!(database_error("22021: Bytefolge"), StoreError::Rejected(_)));
        assert!(matches!(database_error("XX002: Index"), StoreError::Corrupt(_)));
    }

    #[test]
    fn callers_learn_why_a_database_cannot_be_written() {
        for (message, why) in [
            ("database or disk is full", "disk is full"),
            ("53100: could not extend file: No space left on device", "disk is full"),
            ("attempt to write a readonly database", "read-only"),
            ("25006: cannot execute UPDATE in a read-only transaction", "read-only"),
            ("disk I/O error", "reports errors"),
            ("database is locked", "another program"),
            ("08006: connection to \"db.example\" as \"me\" failed", "the database is not available"),
        ] {
            let for_callers = database_error(message).for_callers();
            assert!(for_callers.contains(why) && !for_callers.contains("db.example"), "{for_callers}");
        }
    }

    #[test]
    fn sqlite_errors_are_classified_by_message() {
        assert!(matches!(database_error("database is locked"), StoreError::Locked(_)));
        assert!(matches!(database_error("disk I/O error"), StoreError::Unavailable(_)));
        assert!(matches!(database_error("database disk image is malformed"), StoreError::Corrupt(_)));
        assert!(matches!(database_error("NOT NULL constraint failed: claims.key"), StoreError::Rejected(_)));
    }
}
