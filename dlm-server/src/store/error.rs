//! Store errors, and what a database's own errors mean.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

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
    /// A COMMIT failed, and it is unknown whether it was applied.
    #[error("commit outcome unknown")]
    CommitOutcomeUnknown,
    /// The transaction was rolled back. It may succeed when retried.
    #[error("the transaction was rolled back")]
    NotCommitted,
    /// Stored data violates an invariant, or was written by another version.
    #[error("the database contains data that this version can't read: {0}")]
    Corrupt(String),
}

/// Why a store could not be opened. The texts are for operators.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("unsupported database URL: it must start with `sqlite:` or `postgres:`")]
    Scheme,
    #[error("the SQLite URL contains no file path")]
    NoFile,
    #[error("the database {path} is in use by another dlm-server (lock file {lock}): stop that server first")]
    InUse { path: String, lock: String },
    #[error("could not open the file {path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("could not open the database {path}: {why}")]
    Database { path: String, why: String },
    #[error("could not open the Postgres database: {why}")]
    Postgres { why: String },
    #[error("the database is in use by {0} running servers: stop them first")]
    InService(usize),
    #[error("could not migrate the database: {0}")]
    Migration(String),
    #[error("could not start the server: {0}")]
    Stopped(String),
    #[error("the secret file {path} is too short: it must contain at least 32 bytes")]
    ShortSecret { path: String },
}

/// Messages of errors that the data did not cause. diesel passes on an error's
/// message but not its code.
const UNAVAILABLE: [&str; 20] = [
    // SQLite: constants in its source.
    "database is locked",
    "database table is locked",
    "disk I/O error",
    "database or disk is full",
    "unable to open database file",
    "attempt to write a readonly database",
    "out of memory",
    "interrupted",
    "file is not a database",
    // Postgres and libpq.
    "terminating connection",
    "server closed the connection",
    "no connection to the server",
    "connection to server",
    "SSL ",
    "could not receive data",
    "could not send data",
    "the database system is",
    "read-only transaction",
    "canceling statement due to",
    "No space left",
];

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let says = |info: &dyn DatabaseErrorInformation, text: &str| info.message().contains(text);
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::NotCommitted,
            DieselError::DatabaseError(_, info)
                if says(&**info, "lock timeout") || says(&**info, "deadlock detected") =>
            {
                Self::NotCommitted
            }
            // A reconnect may reach a standby that has been promoted.
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            ) => Self::Unavailable(error.to_string()),
            DieselError::DatabaseError(_, info)
                if UNAVAILABLE.iter().any(|message| says(&**info, message)) =>
            {
                Self::Unavailable(error.to_string())
            }
            DieselError::DatabaseError(_, info) if says(&**info, "database disk image is malformed") => {
                Self::Corrupt(error.to_string())
            }
            DieselError::DatabaseError(..)
            | DieselError::SerializationError(_)
            | DieselError::QueryBuilderError(_) => Self::Rejected(error.to_string()),
            DieselError::DeserializationError(_) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
