//! Leader election: one of several processes does the work. When it dies, another
//! takes over within the TTL.
//!
//! Start three processes and kill the leader. A leader that is asked to stop, by Ctrl-C
//! or SIGTERM, releases the lock, so that another one takes over at once.

use std::time::Duration;

use clap::Parser;
use dlm_client::{Client, LockGuard};
use dlm_examples::{say, stop_requested};

/// Wait to become the leader, then work until the lead is lost.
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the lock server, or several separated by commas.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// Name of the lock that the leader holds.
    #[arg(long, default_value = "scheduler/leader")]
    lock: String,
    /// Name of this process, used as the owner of the lock.
    #[arg(long)]
    name: String,
    /// TTL of the lock, in milliseconds: a dead leader is replaced within this time.
    #[arg(long, default_value_t = 3000)]
    ttl_ms: u64,
    /// Interval of the leader's work, in milliseconds.
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
        while say!("{}: waiting to lead", arguments.name) {
            let guard = client.lock(&arguments.lock).await?;
            if !lead(&arguments, &guard).await {
                break;
            }
        }
        Ok(())
    };
    let result: Result<(), dlm_client::Error> = tokio::select! {
        result = work => result,
        requested = stop_requested() => {
            requested?;
            say!("{}: asked to stop, giving up the lead", arguments.name);
            Ok(())
        }
    };
    // The guard is dropped by now; this waits for its release.
    client.close(Duration::from_secs(5)).await?;
    result?;
    Ok(())
}

/// Works until the lock is lost. Returns false if nobody reads the output any more.
async fn lead(arguments: &Arguments, guard: &LockGuard) -> bool {
    let mut is_read = say!("{}: leading with token {}", arguments.name, guard.fencing_token());
    let mut round = 0_u64;
    while is_read {
        tokio::select! {
            // The loss comes first: after a long pause, both branches are ready.
            biased;
            reason = guard.lost() => {
                return say!("{}: no longer leading: {reason}", arguments.name);
            }
            () = tokio::time::sleep(Duration::from_millis(arguments.every_ms)) => {
                // Skips the round if the lock is lost by now.
                let Ok(token) = guard.live_token() else { continue };
                round += 1;
                is_read = say!("{}: round {round} under token {token}", arguments.name);
            }
        }
    }
    false
}
