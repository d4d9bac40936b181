//! Statements with a fixed text, prepared once.
//!
//! diesel prepares its own updates and upserts each time they run, since their
//! text may differ; parsing them would cost more than running them.

use diesel::RunQueryDsl;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use std::marker::PhantomData;

use crate::store::rows::Value;

/// The text of a statement; each `?` takes the next value.
pub(super) trait Statement: 'static {
    const SQL: &'static str;
}

/// Runs a statement with its values. Returns how many rows it changed.
pub(super) fn run<S: Statement, const N: usize>(
    connection: &mut SqliteConnection,
    values: [Value<'_>; N],
) -> QueryResult<usize> {
    Fixed::<S, N> { values, statement: PhantomData }.execute(connection)
}

struct Fixed<'a, S, const N: usize> {
    values: [Value<'a>; N],
    statement: PhantomData<S>,
}

impl<S: Statement, const N: usize> QueryId for Fixed<'_, S, N> {
    type QueryId = S;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S, const N: usize> RunQueryDsl<SqliteConnection> for Fixed<'_, S, N> {}

impl<S: Statement, const N: usize> QueryFragment<Sqlite> for Fixed<'_, S, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut values = self.values.iter();
        for (index, part) in S::SQL.split('?').enumerate() {
            if index > 0 {
                match values.next() {
                    Some(Value::Int(value)) => out.push_bind_param::<Nullable<BigInt>, _>(value)?,
                    Some(Value::Text(value)) => out.push_bind_param::<Nullable<Text>, _>(value)?,
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

macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        $(
            pub(super) struct $name;
            impl Statement for $name {
                const SQL: &'static str = $sql;
            }
        )*
    };
}

statements! {
    UpdateResource = "UPDATE resources SET version = ?, token = ?, touched_at = ?, queue_len = ?, holder_count = ?, \
        holder_principal = ?, holder_key = ? WHERE name = ?";
    UpdateResourceAndCheck = "UPDATE resources SET version = ?, token = ?, touched_at = ?, queue_len = ?, \
        holder_count = ?, holder_principal = ?, holder_key = ?, check_at = ? WHERE name = ?";
    InsertResource = "INSERT INTO resources (version, token, touched_at, queue_len, holder_count, holder_principal, \
        holder_key, check_at, name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    // A new lease without a wait: what is not named is NULL.
    InsertLease = "INSERT INTO claims (resource, principal, key, shared, ttl_asked_ms, wait_ms, owner, metadata, \
        token, granted_at, term_at, ttl_ms, expires_at, shared_token) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    InsertClaim = "INSERT INTO claims (ticket, enqueued_at, deadline, replica, away_since, check_at, token, \
        waited_ticket, granted_at, term_at, ttl_ms, expires_at, shared_token, ended_at, end_reason, current_token, \
        forced_token, cancel, resource, principal, key, shared, ttl_asked_ms, wait_ms, owner, metadata) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    UpdateClaim = "UPDATE claims SET ticket = ?, enqueued_at = ?, deadline = ?, replica = ?, away_since = ?, \
        check_at = ?, token = ?, waited_ticket = ?, granted_at = ?, term_at = ?, ttl_ms = ?, expires_at = ?, \
        shared_token = ?, ended_at = ?, end_reason = ?, current_token = ?, forced_token = ?, cancel = ? \
        WHERE resource = ? AND principal = ? AND key = ?";
    RenewClaim = "UPDATE claims SET term_at = ?, ttl_ms = ?, expires_at = ? \
        WHERE resource = ? AND principal = ? AND key = ?";
    EndClaim = "UPDATE claims SET ended_at = ?, end_reason = ?, current_token = ?, cancel = ? \
        WHERE resource = ? AND principal = ? AND key = ?";
    MarkBatch = "INSERT INTO writers (id, batch, at) VALUES (?, ?, ?) \
        ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, at = excluded.at";
}
