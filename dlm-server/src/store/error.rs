//! What goes wrong with a database, and what it means.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

/// Why the store did not do what it was asked. What it says is for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// A claim that was taken for new is there already.
    #[error("a claim with this key is there already")]
    KeyExists,
    /// The database refused the data.
    #[error("the database refused the data: {0}")]
    Refused(String),
    /// The database can't be used now.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A transaction may have been committed or not.
    #[error("what became of a commit is not known")]
    Unclear,
    /// A transaction was not committed, and could be tried again.
    #[error("a commit did not take place")]
    NotCommitted,
    /// What is stored can't be understood.
    #[error("the database holds what this version can't read: {0}")]
    Corrupt(String),
}

/// Why a store can't be opened: for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database URL must begin with `sqlite:` or `postgres:`; no other scheme is supported")]
    Scheme,
    #[error("the SQLite URL names no file")]
    NoFile,
    #[error("the database {path} belongs to another dlm-server that is running (lock file {lock})")]
    InUse { path: String, lock: String },
    #[error("the file {path} can't be opened: {source}")]
    File { path: String, source: std::io::Error },
    #[error("the database {path} can't be opened: {why}")]
    Database { path: String, why: String },
    #[error("the Postgres database can't be opened: {why}")]
    Postgres { why: String },
    #[error("{0} servers are at work on the database: stop them first")]
    Served(usize),
    #[error("the database can't be brought to this version: {0}")]
    Migration(String),
    #[error("the server can't be started: {0}")]
    Stopped(String),
    #[error("the secret file {path} must hold at least 32 bytes")]
    ShortSecret { path: String },
}

/// What databases say of trouble that is not of the data's making. diesel gives
/// the text, not the code.
const NOT_OF_THE_DATA: [&str; 20] = [
    // SQLite; fixed in its source.
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
        let says = |info: &dyn DatabaseErrorInformation, what: &str| info.message().contains(what);
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::NotCommitted,
            DieselError::DatabaseError(_, info)
                if says(&**info, "lock timeout") || says(&**info, "deadlock detected") =>
            {
                Self::NotCommitted
            }
            // The address may lead to another server by now: one that was promoted.
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            ) => Self::Unavailable(error.to_string()),
            DieselError::DatabaseError(_, info)
                if NOT_OF_THE_DATA.iter().any(|trouble| says(&**info, trouble)) =>
            {
                Self::Unavailable(error.to_string())
            }
            DieselError::DatabaseError(_, info) if says(&**info, "database disk image is malformed") => {
                Self::Corrupt(error.to_string())
            }
            DieselError::DatabaseError(..)
            | DieselError::SerializationError(_)
            | DieselError::QueryBuilderError(_) => Self::Refused(error.to_string()),
            DieselError::DeserializationError(_) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
