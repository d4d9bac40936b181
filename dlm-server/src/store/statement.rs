//! Statements with a fixed text, which a connection prepares once.
//!
//! diesel prepares its own updates and upserts every time, since their text may
//! vary. On the hot path, parsing them would cost more than running them.

use diesel::backend::Backend;
use diesel::query_builder::AstPass;
use diesel::result::{Error as DieselError, QueryResult};

/// A statement. Each `?` in its text is a parameter.
pub(super) trait Statement: 'static {
    /// The SQL types of its rows; `()` if it returns none.
    type Row: 'static;

    fn sql() -> &'static str;
}

/// Declares statements: their names, the types of their rows, and their texts.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident -> $row:ty = $sql:expr;)*) => {
        $(
            $(#[$doc])*
            pub(super) struct $name;
            impl $crate::store::statement::Statement for $name {
                type Row = $row;

                fn sql() -> &'static str {
                    $sql
                }
            }
        )*
    };
}
pub(super) use statements;

/// Writes the text of a statement and binds one parameter for each `?`. Too few
/// or too many parameters are an error.
pub(super) fn bind_all<'b, DB: Backend, P>(
    sql: &str,
    parameters: &'b [P],
    mut out: AstPass<'_, 'b, DB>,
    bind: impl for<'a> Fn(&mut AstPass<'a, 'b, DB>, &'b P) -> QueryResult<()>,
) -> QueryResult<()> {
    let mut parameters = parameters.iter();
    for (index, part) in sql.split('?').enumerate() {
        if index > 0 {
            match parameters.next() {
                Some(parameter) => bind(&mut out, parameter)?,
                None => return Err(mismatch("few", sql)),
            }
        }
        out.push_sql(part);
    }
    match parameters.next() {
        Some(_) => Err(mismatch("many", sql)),
        None => Ok(()),
    }
}

fn mismatch(how: &str, sql: &str) -> DieselError {
    DieselError::QueryBuilderError(format!("too {how} parameters for: {sql}").into())
}
