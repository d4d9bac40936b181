//! Statements with a fixed text, which a connection prepares once.
//!
//! diesel prepares its own updates and upserts every time, since their text may
//! vary. On the hot path, parsing them would cost more than running them.

use diesel::backend::Backend;
use diesel::query_builder::AstPass;
use diesel::result::{Error as DieselError, QueryResult};

/// A statement.
pub(super) trait Statement: 'static {
    /// The SQL types of its rows; `()` if it returns none.
    type Row: 'static;

    fn sql() -> &'static Sql;
}

/// The text of a statement. Each `?` in it is a parameter. It is split there once:
/// diesel asks for the parameters at every execution.
pub(super) struct Sql {
    /// What precedes the first parameter.
    start: String,
    /// What follows each parameter.
    rest: Vec<String>,
}

impl Sql {
    pub(super) fn new(text: &str) -> Self {
        let mut parts = text.split('?').map(String::from);
        Self { start: parts.next().unwrap_or_default(), rest: parts.collect() }
    }

    #[cfg(test)]
    pub(super) fn parameters(&self) -> usize {
        self.rest.len()
    }

    /// The text, with a `?` for each parameter.
    pub(super) fn text(&self) -> String {
        self.rest.iter().fold(self.start.clone(), |text, part| text + "?" + part)
    }
}

/// Declares statements: their names, the types of their rows, and their texts.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident -> $row:ty = $sql:expr;)*) => {
        $(
            $(#[$doc])*
            pub(super) struct $name;
            impl $crate::store::statement::Statement for $name {
                type Row = $row;

                fn sql() -> &'static $crate::store::statement::Sql {
                    static SQL: std::sync::LazyLock<$crate::store::statement::Sql> =
                        std::sync::LazyLock::new(|| $crate::store::statement::Sql::new($sql));
                    &SQL
                }
            }
        )*
    };
}
pub(super) use statements;

/// Writes the text of a statement and binds its parameters. Too few or too many
/// parameters are an error.
pub(super) fn bind_all<'b, DB: Backend, P>(
    sql: &Sql,
    parameters: &'b [P],
    mut out: AstPass<'_, 'b, DB>,
    bind: impl for<'a> Fn(&mut AstPass<'a, 'b, DB>, &'b P) -> QueryResult<()>,
) -> QueryResult<()> {
    if parameters.len() != sql.rest.len() {
        let how = if parameters.len() < sql.rest.len() { "few" } else { "many" };
        let error = format!("too {how} parameters for: {}", sql.text());
        return Err(DieselError::QueryBuilderError(error.into()));
    }
    out.push_sql(&sql.start);
    for (parameter, part) in parameters.iter().zip(&sql.rest) {
        bind(&mut out, parameter)?;
        out.push_sql(part);
    }
    Ok(())
}
