//! A fence in a row of Postgres: the row has the token of the last holder that used it, and the
//! statements of a stale holder change nothing.
//!
//! The slow writer is paused past its TTL between its read and its write. Meanwhile the fast writer
//! gets the lock and reads. The slow one resumes before the fast one writes: the late write is refused,
//! and no update is lost.
//!
//! Every statement has the fence, also that which reads: otherwise the late write would be accepted.

use std::error::Error;
use std::time::Duration;

use clap::Parser;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use dlm_client::{Client, FencingToken};
use dlm_examples::say;

/// Show what a write by a paused lock holder does to a row with a fence.
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the lock server.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// URL of the database, in which the table `accounts` is created.
    #[arg(long)]
    database_url: String,
}

#[derive(QueryableByName)]
struct Account {
    #[diesel(sql_type = BigInt)]
    balance: i64,
}

/// The token is older than that of another holder.
#[derive(Debug, PartialEq, Eq)]
struct Stale;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut database = PgConnection::establish(&arguments.database_url)?;
    create(&mut database)?;
    let client = Client::connect(&arguments.server).await?;

    let ttl = Duration::from_millis(500);
    let slow = client.lock("accounts/1").ttl(ttl).auto_renew(false).await?;
    let seen = read(&mut database, slow.fencing_token())?.map_err(|Stale| "the first holder is stale")?;
    say!("slow: token {}, reads {seen}, and is paused until {}", slow.fencing_token(), slow.lost().await);

    let fast = client.lock("accounts/1").await?;
    let now = read(&mut database, fast.fencing_token())?.map_err(|Stale| "the live holder is stale")?;
    say!("fast: token {}, reads {now}", fast.fencing_token());

    // It does not check its guard: a process can be stopped right after the check.
    let late = write(&mut database, slow.fencing_token(), seen + 1)?;
    say!("slow: resumes and writes {}: {}", seen + 1, if late.is_ok() { "accepted" } else { "refused" });

    write(&mut database, fast.fencing_token(), now + 10)?.map_err(|Stale| "the live holder is stale")?;
    say!("fast: writes {}", now + 10);
    fast.release().await?;
    client.close(Duration::from_secs(5)).await?;
    if late.is_ok() { Err("an update is lost".into()) } else { Ok(()) }
}

fn create(database: &mut PgConnection) -> QueryResult<()> {
    database.batch_execute(
        "CREATE TABLE IF NOT EXISTS accounts (
             id BIGINT PRIMARY KEY, balance BIGINT NOT NULL, fence BIGINT NOT NULL DEFAULT 0
         );
         INSERT INTO accounts (id, balance) VALUES (1, 100) ON CONFLICT DO NOTHING",
    )
}

/// Reads the balance, and raises the fence to this holder's token.
fn read(database: &mut PgConnection, token: FencingToken) -> Result<Result<i64, Stale>, Box<dyn Error>> {
    let statement = "UPDATE accounts SET fence = $1 WHERE id = 1 AND fence <= $1 RETURNING balance";
    let account: Option<Account> = diesel::sql_query(statement)
        .bind::<BigInt, _>(i64::try_from(token)?)
        .get_result(database)
        .optional()?;
    Ok(account.map(|account| account.balance).ok_or(Stale))
}

/// Writes the balance, unless another holder has raised the fence.
fn write(
    database: &mut PgConnection,
    token: FencingToken,
    balance: i64,
) -> Result<Result<(), Stale>, Box<dyn Error>> {
    let statement = "UPDATE accounts SET balance = $1, fence = $2 WHERE id = 1 AND fence <= $2";
    let rows = diesel::sql_query(statement)
        .bind::<BigInt, _>(balance)
        .bind::<BigInt, _>(i64::try_from(token)?)
        .execute(database)?;
    Ok(if rows == 1 { Ok(()) } else { Err(Stale) })
}
