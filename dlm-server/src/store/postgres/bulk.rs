//! Statements over many rows at once: each column is an array.

use std::marker::PhantomData;

use diesel::RunQueryDsl;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::methods::LoadQuery;
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use dlm_pq::PqConnection;

use crate::store::statement::{Statement, bind_all};

/// A parameter of a statement: an array with the values of a column, or a
/// single value.
#[derive(Debug)]
pub(super) enum Param<'a> {
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<&'a str>>),
    Int(i64),
    Text(&'a str),
}

impl From<i64> for Param<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> Param<'a> {
    pub(super) fn ints(values: impl IntoIterator<Item = i64>) -> Self {
        Self::Ints(values.into_iter().map(Some).collect())
    }

    pub(super) fn texts(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Texts(values.into_iter().map(Some).collect())
    }
}

/// Runs a statement. Returns the number of changed rows.
pub(super) fn run<S: Statement>(connection: &mut PqConnection, params: Vec<Param<'_>>) -> QueryResult<usize> {
    Bulk::<S> { params, statement: PhantomData }.execute(connection)
}

/// Runs a statement and reads its rows.
pub(super) fn load<'query, S, R>(
    connection: &'query mut PqConnection,
    params: Vec<Param<'query>>,
) -> QueryResult<Vec<R>>
where
    S: Statement,
    Bulk<'query, S>: LoadQuery<'query, PqConnection, R>,
{
    Bulk::<S> { params, statement: PhantomData }.load(connection)
}

pub(super) struct Bulk<'a, S> {
    params: Vec<Param<'a>>,
    statement: PhantomData<S>,
}

impl<S: Statement> QueryId for Bulk<'_, S> {
    type QueryId = S;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S: Statement> Query for Bulk<'_, S> {
    type SqlType = S::Row;
}

impl<S> RunQueryDsl<PqConnection> for Bulk<'_, S> {}

impl<S: Statement> QueryFragment<Pg> for Bulk<'_, S> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        bind_all(S::sql(), &self.params, out, |out, param| match param {
            Param::Ints(values) => out.push_bind_param::<Array<Nullable<BigInt>>, _>(values),
            Param::Texts(values) => out.push_bind_param::<Array<Nullable<Text>>, _>(values),
            Param::Int(value) => out.push_bind_param::<BigInt, _>(value),
            Param::Text(value) => out.push_bind_param::<Text, _>(*value),
        })
    }
}
