//! Statements over many rows at once: each column is an array.
//!
//! Their text is fixed, so that each connection prepares them once.

use std::marker::PhantomData;

use diesel::RunQueryDsl;
use diesel::pg::{Pg, PgConnection};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::methods::LoadQuery;
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Nullable, Text};

/// The text of a statement; each `?` takes the next value.
pub(super) trait Statement: 'static {
    const SQL: &'static str;
    /// What its rows are made of.
    type Row: 'static;
}

/// What a `?` stands for.
#[derive(Debug)]
pub(super) enum Column<'a> {
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<&'a str>>),
    Int(i64),
    Text(&'a str),
}

impl From<i64> for Column<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Column<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl Column<'_> {
    pub(super) fn ints(values: impl IntoIterator<Item = i64>) -> Self {
        Self::Ints(values.into_iter().map(Some).collect())
    }
}

impl<'a> Column<'a> {
    pub(super) fn texts(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Texts(values.into_iter().map(Some).collect())
    }
}

/// Runs a statement with its values. Returns how many rows it changed.
pub(super) fn run<S: Statement>(
    connection: &mut PgConnection,
    columns: Vec<Column<'_>>,
) -> QueryResult<usize> {
    Bulk::<S> { columns, statement: PhantomData }.execute(connection)
}

/// Runs a statement with its values and reads its rows.
pub(super) fn load<'query, S, R>(
    connection: &'query mut PgConnection,
    columns: Vec<Column<'query>>,
) -> QueryResult<Vec<R>>
where
    S: Statement,
    Bulk<'query, S>: LoadQuery<'query, PgConnection, R>,
{
    Bulk::<S> { columns, statement: PhantomData }.load(connection)
}

pub(super) struct Bulk<'a, S> {
    columns: Vec<Column<'a>>,
    statement: PhantomData<S>,
}

impl<S: Statement> QueryId for Bulk<'_, S> {
    type QueryId = S;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S: Statement> Query for Bulk<'_, S> {
    type SqlType = S::Row;
}

impl<S> RunQueryDsl<PgConnection> for Bulk<'_, S> {}

impl<S: Statement> QueryFragment<Pg> for Bulk<'_, S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut columns = self.columns.iter();
        for (index, part) in S::SQL.split('?').enumerate() {
            if index > 0 {
                match columns.next() {
                    Some(Column::Ints(values)) => {
                        out.push_bind_param::<Array<Nullable<BigInt>>, _>(values)?;
                    }
                    Some(Column::Texts(values)) => {
                        out.push_bind_param::<Array<Nullable<Text>>, _>(values)?;
                    }
                    Some(Column::Int(value)) => out.push_bind_param::<BigInt, _>(value)?,
                    Some(Column::Text(value)) => out.push_bind_param::<Text, _>(*value)?,
                    None => {
                        let missing = format!("a value is missing for: {}", S::SQL);
                        return Err(diesel::result::Error::QueryBuilderError(missing.into()));
                    }
                }
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

/// Declares statements: their names, what their rows are made of, their texts.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident -> $row:ty = $sql:expr;)*) => {
        $(
            $(#[$doc])*
            pub(super) struct $name;
            impl $crate::store::postgres::bulk::Statement for $name {
                const SQL: &'static str = $sql;
                type Row = $row;
            }
        )*
    };
}
pub(super) use statements;
