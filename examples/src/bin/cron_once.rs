//! A cron job that is scheduled on several hosts, and runs on one of them.
//!
//! The first host takes the lock, and the others find it held. Their clocks differ, and the job may
//! take less time than that, so a late host would find the lock free again. Therefore the lock
//! stays taken for a while after a run that succeeded: its lease is renewed for that long, and
//! detached from the program, which ends. After a run that failed it is released, so another
//! host may try.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use dlm_client::{Client, LockGuard};
use dlm_examples::say;

/// Write a report, unless another host does.
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the lock server.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// Name of the lock, one per job.
    #[arg(long, default_value = "cron/nightly-report")]
    lock: String,
    /// For how long no other host runs the job after it succeeded, in milliseconds: more than the clocks
    /// of the hosts differ, and less than the time to the next run.
    #[arg(long, default_value_t = 60_000)]
    keep_ms: u64,
    /// File to append the report to.
    #[arg(long)]
    report: PathBuf,
}

/// What became of the job on this host.
#[derive(Debug, PartialEq, Eq)]
enum Ran {
    Here,
    Elsewhere,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let client = Client::connect(&arguments.server).await?;
    let keep = Duration::from_millis(arguments.keep_ms);
    let ran =
        run_once(&client, &arguments.lock, keep, async |guard| write_report(&arguments.report, guard)).await;
    // Cron starts the next run soon: it must not find a lock that this process forgot to release.
    client.close(Duration::from_secs(5)).await?;
    match ran? {
        Ran::Here => say!("the report is written"),
        Ran::Elsewhere => say!("another host runs the job, or has just run it"),
    };
    Ok(ExitCode::SUCCESS)
}

async fn run_once(
    client: &Client,
    lock: &str,
    keep: Duration,
    job: impl AsyncFnOnce(&LockGuard) -> Result<(), Box<dyn Error>>,
) -> Result<Ran, Box<dyn Error>> {
    let Some(guard) = client.try_lock(lock).await? else { return Ok(Ran::Elsewhere) };
    let done = tokio::select! {
        // The loss comes first: after a long pause, both branches are ready.
        biased;
        reason = guard.lost() => Err(format!("stopped: {reason}").into()),
        done = job(&guard) => done,
    };
    match done {
        Ok(()) => {
            guard.renew(keep).await?;
            drop(guard.detach());
            Ok(Ran::Here)
        }
        Err(error) => {
            drop(guard);
            Err(error)
        }
    }
}

fn write_report(path: &Path, guard: &LockGuard) -> Result<(), Box<dyn Error>> {
    let mut report = OpenOptions::new().create(true).append(true).open(path)?;
    // As late as possible: the lock may have been lost meanwhile.
    let token = guard.live_token()?;
    writeln!(report, "report of run {token}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use dlm_testing::{AcquireFault, TestServer};

    use super::*;

    const KEEP: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn late_host_does_not_run_the_job_again() {
        let server = TestServer::start();
        let (early, late) = (server.client().await, server.client().await);
        assert_eq!(run_once(&early, "job", KEEP, async |_| Ok(())).await.unwrap(), Ran::Here);
        let ran = run_once(&late, "job", KEEP, async |_| panic!("it has run")).await;
        assert_eq!(ran.unwrap(), Ran::Elsewhere);
    }

    #[tokio::test]
    async fn another_host_may_run_a_job_that_failed() {
        let server = TestServer::start();
        let (first, second) = (server.client().await, server.client().await);
        let failed = run_once(&first, "job", KEEP, async |_| Err("the disk is full".into())).await;
        assert_eq!(failed.unwrap_err().to_string(), "the disk is full");
        first.close(Duration::from_secs(5)).await.unwrap();
        assert_eq!(run_once(&second, "job", KEEP, async |_| Ok(())).await.unwrap(), Ran::Here);
    }

    #[tokio::test]
    async fn job_is_stopped_when_its_lock_is_lost() {
        let server = TestServer::start();
        let client = server.client().await;
        let job = async |_: &LockGuard| {
            server.lose("job");
            std::future::pending().await
        };
        let stopped = run_once(&client, "job", KEEP, job).await.unwrap_err();
        assert_eq!(stopped.to_string(), "stopped: the lease was force-released");
    }

    #[tokio::test]
    async fn failure_of_the_server_is_not_mistaken_for_another_host() {
        let server = TestServer::start();
        let client = server.client().await;
        server.next_acquire("job", AcquireFault::Fails);
        assert!(run_once(&client, "job", KEEP, async |_| Ok(())).await.is_err());
    }
}
