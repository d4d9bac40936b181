//! A singleton scheduler: of several processes one does the work, and when it
//! dies another takes over within the TTL.
//!
//! Start three, kill the one that leads.

use std::time::Duration;

use clap::Parser;
use dlm_client::{Client, LockGuard};

/// Leads if nobody else does, and waits until then.
#[derive(Debug, Parser)]
struct Arguments {
    /// The lock server.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// What is led.
    #[arg(long, default_value = "scheduler/leader")]
    lock: String,
    /// This process's name, shown as the owner of the lock.
    #[arg(long)]
    name: String,
    /// How long after its death a leader is replaced at the latest, in
    /// milliseconds.
    #[arg(long, default_value_t = 3000)]
    ttl_ms: u64,
    /// How often the leader's work is done, in milliseconds.
    #[arg(long, default_value_t = 500)]
    every_ms: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let ttl = Duration::from_millis(arguments.ttl_ms);
    let client = Client::builder()
        .address(&arguments.server)
        .owner(&arguments.name)
        .default_ttl(ttl)
        .connect()
        .await?;
    let work = async {
        loop {
            println!("{}: waiting to lead", arguments.name);
            let guard = client.lock(&arguments.lock).await?;
            lead(&arguments, &guard).await;
        }
    };
    let result: Result<(), dlm_client::Error> = tokio::select! {
        ended = work => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            println!("{}: giving up the lead", arguments.name);
            Ok(())
        }
    };
    result?;
    client.close(Duration::from_secs(5)).await?;
    Ok(())
}

/// Works until the lead is lost.
async fn lead(arguments: &Arguments, guard: &LockGuard) {
    println!("{}: leading with token {}", arguments.name, guard.fencing_token());
    let mut round = 0_u64;
    loop {
        tokio::select! {
            // The loss first: after a long stop both are ready.
            biased;
            reason = guard.lost() => {
                println!("{}: no longer leading: {reason}", arguments.name);
                return;
            }
            () = tokio::time::sleep(Duration::from_millis(arguments.every_ms)) => {
                // No round for a leader that is one no more.
                let Ok(token) = guard.live_token() else { continue };
                round += 1;
                println!("{}: round {round} under token {token}", arguments.name);
            }
        }
    }
}
