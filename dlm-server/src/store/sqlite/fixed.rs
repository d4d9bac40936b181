//! The writer's statements, prepared once.

use std::array;
use std::marker::PhantomData;
use std::sync::LazyLock;

use diesel::RunQueryDsl;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::methods::LoadQuery;
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::store::claim_columns::{
    ALL, ClaimColumn, ClaimRecord, ENDED_LEASE, Getter, KEY, NEW_LEASE, RENEWAL, RENEWALS_AND_END, STATE,
    concat, list, names, placeholders,
};
use crate::store::rows::{CLAIM_ROW, ClaimRowTypes, RESOURCE_ROW, ResourceRowTypes};
use crate::store::statement::{Sql, Statement, bind_all, statements};

/// A parameter of a statement.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Int(Option<i64>),
    Text(Option<&'a str>),
    Blob(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Self::Int(Some(value as i64))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(value))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::Text(value)
    }
}

impl<'a> Value<'a> {
    fn of(column: &ClaimColumn, record: &ClaimRecord<'a>) -> Self {
        match column.get {
            Getter::Int(get) => Self::Int(get(record)),
            Getter::Bool(get) => Self::Int(get(record).map(i64::from)),
            Getter::Text(get) => Self::Text(get(record)),
        }
    }
}

/// Runs a statement. Returns the number of changed rows.
pub(super) fn run<S: Statement, const N: usize>(
    connection: &mut SqliteConnection,
    values: [Value<'_>; N],
) -> QueryResult<usize> {
    Fixed::<S, N> { values, statement: PhantomData }.execute(connection)
}

/// Runs a statement and reads its rows.
pub(super) fn load<'query, S, R, const N: usize>(
    connection: &'query mut SqliteConnection,
    values: [Value<'query>; N],
) -> QueryResult<Vec<R>>
where
    S: Statement,
    Fixed<'query, S, N>: LoadQuery<'query, SqliteConnection, R>,
{
    Fixed::<S, N> { values, statement: PhantomData }.load(connection)
}

/// Runs a statement that writes a claim. Returns the number of changed rows.
pub(super) fn run_claim<S: ClaimStatement<N>, const N: usize>(
    connection: &mut SqliteConnection,
    record: &ClaimRecord<'_>,
) -> QueryResult<usize> {
    run::<S, N>(connection, array::from_fn(|index| Value::of(&S::COLUMNS[index], record)))
}

pub(super) struct Fixed<'a, S, const N: usize> {
    values: [Value<'a>; N],
    statement: PhantomData<S>,
}

impl<S: Statement, const N: usize> QueryId for Fixed<'_, S, N> {
    type QueryId = S;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S: Statement, const N: usize> Query for Fixed<'_, S, N> {
    type SqlType = S::Row;
}

impl<S, const N: usize> RunQueryDsl<SqliteConnection> for Fixed<'_, S, N> {}

impl<S: Statement, const N: usize> QueryFragment<Sqlite> for Fixed<'_, S, N> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        bind_all(S::sql(), &self.values, out, |out, value| match value {
            Value::Int(value) => out.push_bind_param::<Nullable<BigInt>, _>(value),
            Value::Text(value) => out.push_bind_param::<Nullable<Text>, _>(value),
            Value::Blob(value) => out.push_bind_param::<Binary, _>(value),
        })
    }
}

statements! {
    Begin -> () = "BEGIN IMMEDIATE";
    Commit -> () = "COMMIT";
    InsertJournal -> () = "INSERT INTO journal (position, at, upto, data) VALUES (?, ?, ?, ?)";
    /// The position of the last batch of any server on this file.
    LastBatch -> BigInt = "SELECT coalesce((SELECT position FROM journal ORDER BY position DESC LIMIT 1), \
        (SELECT batch FROM writers WHERE id = ?), 0)";
    DeleteJournal -> () = "DELETE FROM journal WHERE position <= ?";
    /// The row may be there, if the transaction that moved it committed without a reply.
    InsertLog -> () = "REPLACE INTO log (position, at, upto, data) VALUES (?, ?, ?, ?)";
    /// A later batch may be there, if the transaction that applied it committed without a reply.
    MarkBatch -> () = "INSERT INTO writers (id, batch, at) VALUES (?, ?, ?) \
        ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, at = excluded.at WHERE excluded.batch > batch";
    UpdateResource -> () = "UPDATE resources SET version = ?, token = ?, touched_at = ?, queue_len = ?, \
        holder_count = ?, holder_principal = ?, holder_key = ?, last_events = ? WHERE name = ?";
    UpdateResourceAndCheck -> () = "UPDATE resources SET version = ?, token = ?, touched_at = ?, queue_len = ?, \
        holder_count = ?, holder_principal = ?, holder_key = ?, last_events = ?, check_at = ? WHERE name = ?";
    InsertResource -> () = "INSERT INTO resources (version, token, touched_at, queue_len, holder_count, \
        holder_principal, holder_key, last_events, check_at, name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    UpsertResource -> () = "REPLACE INTO resources (version, token, touched_at, queue_len, holder_count, \
        holder_principal, holder_key, last_events, check_at, name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    LoadFloors -> (BigInt, BigInt, BigInt, BigInt) = "SELECT bucket, token, version, last_events FROM floors";
    DeleteResource -> () = "DELETE FROM resources WHERE name = ?";
    RaiseFloor -> () = "INSERT INTO floors (bucket, token, version, last_events) VALUES (?, ?, ?, ?) \
        ON CONFLICT (bucket) DO UPDATE SET token = max(token, excluded.token), \
        version = max(version, excluded.version), last_events = max(last_events, excluded.last_events)";
    /// A row for any of the claims with the keys in a JSON array of `[key, resource, principal]`.
    FindClaim -> BigInt = "SELECT 1 FROM json_each(?) AS asked CROSS JOIN claims \
        ON claims.key = asked.value ->> 0 AND claims.resource = asked.value ->> 1 \
        AND claims.principal = asked.value ->> 2 LIMIT 1";
    /// The newest key that is a UUID of version 7. Few others have to be skipped.
    NewestStoredKey -> Text = "SELECT key FROM claims WHERE key < '1' AND length(key) = 36 \
        AND substr(key, 15, 1) = '7' ORDER BY key DESC LIMIT 1";
}

/// Loads the resources with the names in a JSON array, and where their last events are.
pub(super) struct LoadResources;

impl Statement for LoadResources {
    type Row = (ResourceRowTypes<Sqlite>, BigInt);

    fn sql() -> &'static Sql {
        static SQL: LazyLock<Sql> = LazyLock::new(|| {
            Sql::new(&format!(
                "SELECT {RESOURCE_ROW}, resources.last_events FROM json_each(?) AS asked CROSS JOIN resources \
                 ON resources.name = asked.value"
            ))
        });
        &SQL
    }
}

/// Loads the claims with the keys in a JSON array of `[key, resource, principal]`.
pub(super) struct LoadClaims;

impl Statement for LoadClaims {
    type Row = (Text, ClaimRowTypes<Sqlite>);

    fn sql() -> &'static Sql {
        static SQL: LazyLock<Sql> = LazyLock::new(|| {
            Sql::new(&format!(
                "SELECT claims.resource, {CLAIM_ROW} FROM json_each(?) AS asked CROSS JOIN claims \
                 ON claims.key = asked.value ->> 0 AND claims.resource = asked.value ->> 1 \
                 AND claims.principal = asked.value ->> 2"
            ))
        });
        &SQL
    }
}

/// A statement whose parameters are columns of a claim.
pub(super) trait ClaimStatement<const N: usize>: Statement {
    const COLUMNS: &'static [ClaimColumn; N];
}

/// Declares statements that write claims: their names, how many parameters they have, and which
/// function makes their text from which columns.
macro_rules! claim_statements {
    ($($(#[$doc:meta])* $name:ident: $count:literal = $text:ident($columns:expr);)*) => {
        $(
            $(#[$doc])*
            pub(super) struct $name;

            impl $crate::store::statement::Statement for $name {
                type Row = ();

                fn sql() -> &'static $crate::store::statement::Sql {
                    static SQL: std::sync::LazyLock<$crate::store::statement::Sql> =
                        std::sync::LazyLock::new(|| $crate::store::statement::Sql::new(&$text(
                            <$name as $crate::store::sqlite::fixed::ClaimStatement<$count>>::COLUMNS,
                        )));
                    &SQL
                }
            }

            impl $crate::store::sqlite::fixed::ClaimStatement<$count> for $name {
                const COLUMNS: &'static [$crate::store::claim_columns::ClaimColumn; $count] = &$columns;
            }
        )*
    };
}
pub(super) use claim_statements;

claim_statements! {
    InsertClaim: 26 = insert(ALL);
    InsertLease: 14 = insert(NEW_LEASE);
    InsertEnded: 17 = insert(ENDED_LEASE);
    UpdateClaim: 21 = update(concat(STATE, KEY));
    UpsertClaim: 26 = upsert(ALL);
    /// Touches no index.
    RenewClaim: 6 = update(concat(RENEWAL, KEY));
    /// Touches no index.
    EndClaim: 10 = update(concat(RENEWALS_AND_END, KEY));
}

fn insert(columns: &[ClaimColumn]) -> String {
    format!("INSERT INTO claims ({}) VALUES ({})", names(columns), placeholders(columns))
}

fn upsert(columns: &[ClaimColumn]) -> String {
    replace_into("claims", columns)
}

fn update(columns: &[ClaimColumn]) -> String {
    update_of("claims", columns)
}

/// Inserts a row, in place of the one with this key if there is one.
pub(super) fn replace_into(table: &str, columns: &[ClaimColumn]) -> String {
    format!("REPLACE INTO {table} ({}) VALUES ({})", names(columns), placeholders(columns))
}

/// Sets all columns but the primary key, which comes last.
pub(super) fn update_of(table: &str, columns: &[ClaimColumn]) -> String {
    let (changed, key) = columns.split_at(columns.len() - KEY.len());
    let changed = list(changed, |column| format!("{} = ?", column.name));
    let key: Vec<_> = key.iter().map(|column| format!("{} = ?", column.name)).collect();
    format!("UPDATE {table} SET {changed} WHERE {}", key.join(" AND "))
}
