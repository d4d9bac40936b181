//! A fence in a row of Postgres, by sqlx: the row has the token of the last holder that used it, and
//! the statements of a stale holder change nothing. `postgres_fence` does the same by diesel, on the
//! same table.
//!
//! The slow writer is paused past its TTL between its read and its write. Meanwhile the fast writer
//! gets the lock and reads. The slow one resumes before the fast one writes: the late write is refused,
//! and no update is lost.
//!
//! Every statement has the fence, also that which reads: otherwise the late write would be accepted.

use std::error::Error;
use std::time::Duration;

use clap::Parser;
use dlm_client::{Client, FencingToken};
use dlm_examples::say;
use sqlx::{Connection, PgConnection};

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

/// The token is older than that of another holder.
#[derive(Debug, PartialEq, Eq)]
struct Stale;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut database = PgConnection::connect(&arguments.database_url).await?;
    create(&mut database).await?;
    let client = Client::connect(&arguments.server).await?;

    let ttl = Duration::from_millis(500);
    let slow = client.lock("accounts/1").ttl(ttl).auto_renew(false).await?;
    let seen =
        read(&mut database, slow.fencing_token()).await?.map_err(|Stale| "the first holder is stale")?;
    say!("slow: token {}, reads {seen}, and is paused until {}", slow.fencing_token(), slow.lost().await);

    let fast = client.lock("accounts/1").await?;
    let token = fast.fencing_token();
    let now = read(&mut database, token).await?.map_err(|Stale| "the live holder is stale")?;
    say!("fast: token {token}, reads {now}");

    // It does not check its guard: a process can be stopped right after the check.
    let late = write(&mut database, slow.fencing_token(), seen + 1).await?;
    say!("slow: resumes and writes {}: {}", seen + 1, if late.is_ok() { "accepted" } else { "refused" });

    write(&mut database, token, now + 10).await?.map_err(|Stale| "the live holder is stale")?;
    say!("fast: writes {}", now + 10);
    fast.release().await?;
    client.close(Duration::from_secs(5)).await?;
    if late.is_ok() { Err("an update is lost".into()) } else { Ok(()) }
}

async fn create(database: &mut PgConnection) -> sqlx::Result<()> {
    let statements = "CREATE TABLE IF NOT EXISTS accounts (
             id BIGINT PRIMARY KEY, balance BIGINT NOT NULL, fence BIGINT NOT NULL DEFAULT 0
         );
         INSERT INTO accounts (id, balance) VALUES (1, 100) ON CONFLICT DO NOTHING";
    sqlx::raw_sql(statements).execute(database).await?;
    Ok(())
}

/// Reads the balance, and raises the fence to this holder's token.
async fn read(
    database: &mut PgConnection,
    token: FencingToken,
) -> Result<Result<i64, Stale>, Box<dyn Error>> {
    let statement = "UPDATE accounts SET fence = $1 WHERE id = 1 AND fence <= $1 RETURNING balance";
    let balance = sqlx::query_scalar(statement).bind(i64::try_from(token)?).fetch_optional(database).await?;
    Ok(balance.ok_or(Stale))
}

/// Writes the balance, unless another holder has raised the fence.
async fn write(
    database: &mut PgConnection,
    token: FencingToken,
    balance: i64,
) -> Result<Result<(), Stale>, Box<dyn Error>> {
    let statement = "UPDATE accounts SET balance = $1, fence = $2 WHERE id = 1 AND fence <= $2";
    let written = sqlx::query(statement).bind(balance).bind(i64::try_from(token)?).execute(database).await?;
    Ok(if written.rows_affected() == 1 { Ok(()) } else { Err(Stale) })
}
