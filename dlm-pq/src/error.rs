//! Database errors with their SQLSTATE.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};

/// The code of the error "no reply within the deadline". Postgres has no
/// SQLSTATE class of this name.
pub const NO_REPLY: &str = "DLM01";

/// The SQLSTATE of a failed connection, for failures that libpq reports itself.
pub(crate) const CONNECTION_FAILURE: &str = "08006";

/// The SQLSTATE of a database error of a [`PqConnection`](crate::PqConnection),
/// or [`NO_REPLY`].
///
/// diesel's error information has no field for it, so the message of such an
/// error begins with it: `55P03: canceling statement due to lock timeout`.
#[must_use]
pub fn sqlstate(error: &Error) -> Option<&str> {
    let Error::DatabaseError(_, info) = error else { return None };
    let (code, _) = info.message().split_once(": ")?;
    (code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()))
        .then_some(code)
}

/// What the server reports with an error.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) sqlstate: Option<String>,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) table: Option<String>,
    pub(crate) column: Option<String>,
    pub(crate) constraint: Option<String>,
    pub(crate) position: Option<i32>,
}

impl Report {
    /// A failure of the connection itself.
    pub(crate) fn of_connection(message: &str) -> Self {
        Self { message: format!("{CONNECTION_FAILURE}: {}", message.trim_end()), ..Self::default() }
    }

    pub(crate) fn into_error(mut self, connected: bool) -> Error {
        let code = self.sqlstate.as_deref().unwrap_or(CONNECTION_FAILURE);
        let kind = kind(code, connected);
        self.message = format!("{code}: {}", self.message.trim_end());
        Error::DatabaseError(kind, Box::new(self))
    }
}

/// An error of the connection, not of a statement.
pub(crate) fn connection_error(message: &str) -> Error {
    Error::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(Report::of_connection(message)))
}

/// No reply came within the deadline.
pub(crate) fn no_reply() -> Error {
    let message = format!("{NO_REPLY}: no reply from the database within the deadline");
    Error::DatabaseError(
        DatabaseErrorKind::ClosedConnection,
        Box::new(Report { message, ..Report::default() }),
    )
}

fn kind(sqlstate: &str, connected: bool) -> DatabaseErrorKind {
    if !connected {
        return DatabaseErrorKind::ClosedConnection;
    }
    match sqlstate {
        "23505" => DatabaseErrorKind::UniqueViolation,
        "23503" => DatabaseErrorKind::ForeignKeyViolation,
        "23502" => DatabaseErrorKind::NotNullViolation,
        "23514" => DatabaseErrorKind::CheckViolation,
        "23001" => DatabaseErrorKind::RestrictViolation,
        "23P01" => DatabaseErrorKind::ExclusionViolation,
        "40001" => DatabaseErrorKind::SerializationFailure,
        "25006" => DatabaseErrorKind::ReadOnlyTransaction,
        code if code.starts_with("08") => DatabaseErrorKind::ClosedConnection,
        _ => DatabaseErrorKind::Unknown,
    }
}

impl DatabaseErrorInformation for Report {
    fn message(&self) -> &str {
        &self.message
    }

    fn details(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    fn table_name(&self) -> Option<&str> {
        self.table.as_deref()
    }

    fn column_name(&self) -> Option<&str> {
        self.column.as_deref()
    }

    fn constraint_name(&self) -> Option<&str> {
        self.constraint.as_deref()
    }

    fn statement_position(&self) -> Option<i32> {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_carries_its_sqlstate() {
        let report =
            Report { sqlstate: Some("55P03".into()), message: "lock timeout\n".into(), ..Report::default() };
        let error = report.into_error(true);
        assert_eq!(sqlstate(&error), Some("55P03"));
        assert_eq!(error.to_string(), "55P03: lock timeout");
        assert_eq!(sqlstate(&connection_error("gone")), Some(CONNECTION_FAILURE));
        assert_eq!(sqlstate(&no_reply()), Some(NO_REPLY));
    }

    #[test]
    fn a_text_without_a_sqlstate_has_none() {
        for text in ["database is locked", "Error: no such table", "55p03: lower case"] {
            let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()));
            assert_eq!(sqlstate(&error), None, "{text}");
        }
    }

    #[test]
    fn a_lost_connection_is_closed_whatever_the_code() {
        let report = Report { sqlstate: Some("57P01".into()), ..Report::default() };
        let Error::DatabaseError(kind, _) = report.into_error(false) else { panic!() };
        assert!(matches!(kind, DatabaseErrorKind::ClosedConnection));
    }
}
