//! A paused lock holder: the slow writer is paused past its TTL between its read
//! and its write, the fast writer acquires the lock and writes, then the slow
//! writer resumes.
//!
//! With a fence, the late write is refused. With `--unfenced`, it overwrites the
//! update of the fast writer, although both used the lock.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use dlm_client::Client;
use dlm_examples::{FencedResource, Ledger, say, temporary_database};

/// Show what a write by a paused lock holder does, with and without fencing.
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the lock server.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// New SQLite file to write to; by default, a temporary file.
    #[arg(long)]
    storage: Option<String>,
    /// Disable fencing.
    #[arg(long)]
    unfenced: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let storage =
        arguments.storage.unwrap_or_else(|| temporary_database("fenced_writer").to_string_lossy().into());
    say!("storage: {storage}");
    let mut ledger = Ledger::open(&storage)?;
    if ledger.counts()?.0 != 0 {
        return Err(format!("{storage} already has data from another run").into());
    }
    let client = Client::builder().address(&arguments.server).owner("fenced_writer").connect().await?;
    let fence = |token: u64| FencedResource {
        resource: "counter".into(),
        token: (!arguments.unfenced).then_some(token),
    };
    // The ledger accepts each piece of work once; these two are distinct.
    let work =
        |name: &str| FencedResource { resource: name.into(), token: (!arguments.unfenced).then_some(1) };

    let ttl = Duration::from_millis(500);
    let paused = client.lock("counter").ttl(ttl).auto_renew(false).await?;
    let slow = fence(paused.fencing_token().get());
    let seen = ledger.read_total(&slow)?.unwrap_or_default();
    say!("slow: holds the lock with token {}, reads {seen}, and is paused", paused.fencing_token());
    say!("slow: its guard reports a loss: {}", paused.lost().await);

    let guard = client.lock("counter").await?;
    let fast = fence(guard.fencing_token().get());
    let now = ledger.read_total(&fast)?.unwrap_or_default();
    if ledger.write(&work("fast"), &fast, "fast", 1, now + 1, "fast")?.is_err() {
        return Err("the live holder's write was refused".into());
    }
    say!("fast: holds the lock with token {}, reads {now}, writes {}", guard.fencing_token(), now + 1);

    // It does not check its guard: a process can be stopped right after the check.
    let late = ledger.write(&work("slow"), &slow, "slow", 1, seen + 1, "slow")?;
    say!("slow: resumes and writes {}: {}", seen + 1, if late.is_ok() { "accepted" } else { "refused" });
    guard.release().await?;
    client.close(Duration::from_secs(5)).await?;

    let accepted = 1 + i64::from(late.is_ok());
    let total = ledger.total()?;
    say!("{accepted} increments were accepted, and the counter is {total}");
    if total == accepted {
        say!("No update is lost.");
        Ok(ExitCode::SUCCESS)
    } else {
        say!("An update is LOST.");
        Ok(ExitCode::FAILURE)
    }
}
