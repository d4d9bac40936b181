//! A lock that outlives a process: `begin` does the first half of the work, and `finish`, another
//! process, the second one. Nobody gets the lock in between.
//!
//! `begin` detaches the lease and writes it to a file, `finish` adopts it. Whoever can read the
//! file can release the lock, so only its owner may. If `finish` does not come in time, the lock
//! is free again.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand};
use dlm_client::{Client, DetachedLease};
use dlm_examples::say;

/// Hand a lock from one process to the next.
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the lock server.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// File with the lease on its way.
    #[arg(long)]
    lease: PathBuf,
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Take the lock, do the first half, and hand the lock over.
    Begin {
        /// For how long the next process may be late, in milliseconds.
        #[arg(long, default_value_t = 60_000)]
        within_ms: u64,
    },
    /// Adopt the lock, do the second half, and release it.
    Finish,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let client = Client::connect(&arguments.server).await?;
    match arguments.step {
        Step::Begin { within_ms } => {
            begin(&client, &arguments.lease, Duration::from_millis(within_ms)).await?;
        }
        Step::Finish => finish(&client, &arguments.lease).await?,
    }
    client.close(Duration::from_secs(5)).await?;
    Ok(())
}

async fn begin(client: &Client, file: &Path, within: Duration) -> Result<(), Box<dyn Error>> {
    let guard = client.lock("migration").await?;
    say!("begin: holds the lock with token {}", guard.fencing_token());
    // The time for the next process counts from here.
    guard.renew(within).await?;
    let lease = guard.detach();
    if let Err(error) = store(&lease, file) {
        client.release(&lease).await?;
        return Err(error);
    }
    say!("begin: handed over, to be adopted within {within:?}");
    Ok(())
}

async fn finish(client: &Client, file: &Path) -> Result<(), Box<dyn Error>> {
    let lease: DetachedLease = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let guard = client.adopt(&lease).await?;
    std::fs::remove_file(file)?;
    say!("finish: adopted the lock with token {}", guard.fencing_token());
    guard.release().await?;
    say!("finish: released");
    Ok(())
}

/// Writes the lease to a new file that only its owner can read.
fn store(lease: &DetachedLease, file: &Path) -> Result<(), Box<dyn Error>> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(serde_json::to_string(lease)?.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use dlm_testing::TestServer;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn lock_is_never_free_between_the_processes() {
        let server = TestServer::start();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lease");
        let (first, second) = (server.client().await, server.client().await);
        begin(&first, &file, WITHIN).await.unwrap();
        first.close(WITHIN).await.unwrap();
        assert!(second.try_lock("migration").await.unwrap().is_none());
        finish(&second, &file).await.unwrap();
        assert_eq!(server.status("migration").holder_count, 0);
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn process_that_comes_too_late_learns_that_the_lock_is_lost() {
        let server = TestServer::start();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lease");
        let client = server.client().await;
        begin(&client, &file, WITHIN).await.unwrap();
        server.lose("migration");
        let error = finish(&client, &file).await.unwrap_err();
        assert!(error.downcast_ref::<dlm_client::Error>().unwrap().is_lost(), "{error}");
    }

    #[tokio::test]
    async fn lock_is_released_if_the_lease_can_not_be_stored() {
        let server = TestServer::start();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lease");
        std::fs::write(&file, "of another run").unwrap();
        let client = server.client().await;
        assert!(begin(&client, &file, WITHIN).await.is_err());
        assert_eq!(server.status("migration").holder_count, 0);
    }
}
