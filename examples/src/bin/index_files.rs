//! Worker processes that divide a tree of text files among them with locks.
//!
//! Each worker locks a file, counts its words, and adds them to a shared total: a
//! read, followed by a later write, which is a race without locks. A second lock
//! protects the total. The ledger is fenced by the tokens of both locks, so the
//! write of a worker that was stopped past its TTL is refused. A killed worker
//! leaves nothing half done, since the total and the file's mark are written in
//! one transaction.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use dlm_client::{Client, ResourceName};
use dlm_examples::{FencedResource, Ledger, count_words, say, temporary_database, text_files};
use sha2::{Digest, Sha256};

type BoxError = Box<dyn std::error::Error>;

/// Count the words of a tree of text files with several worker processes.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Start several workers, wait for them, and check the total.
    Run {
        #[command(flatten)]
        job: Job,
        /// New SQLite file for the total; by default, a temporary file.
        #[arg(long)]
        totals: Option<String>,
        /// Number of worker processes.
        #[arg(long, default_value_t = 4)]
        workers: usize,
    },
    /// Run one worker.
    Work {
        #[command(flatten)]
        job: Job,
        /// SQLite file with the total, the same for all workers.
        #[arg(long)]
        totals: String,
        /// Name of this worker, used as the owner of its locks.
        #[arg(long)]
        name: String,
    },
    /// Compare the total with that of a single pass.
    Check {
        /// Directory of the tree.
        directory: PathBuf,
        /// SQLite file with the total.
        #[arg(long)]
        totals: String,
    },
}

#[derive(Debug, Clone, Args)]
struct Job {
    /// Directory of the tree.
    directory: PathBuf,
    /// URL of the lock server, or several separated by commas.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// TTL of the locks, in milliseconds.
    #[arg(long, default_value_t = 2000)]
    ttl_ms: u64,
    /// Extra processing time per file, in milliseconds.
    #[arg(long, default_value_t = 5)]
    work_ms: u64,
    /// Disable locks and fences, to see the total go wrong.
    #[arg(long)]
    no_locks: bool,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Task::Run { job, totals, workers } => run(&job, totals, workers),
        Task::Work { job, totals, name } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime
                .map_err(BoxError::from)
                .and_then(|runtime| runtime.block_on(work_all(&job, &totals, &name)).map(|()| true))
        }
        Task::Check { directory, totals } => check(&directory, &totals),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("index_files: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(job: &Job, totals: Option<String>, workers: usize) -> Result<bool, BoxError> {
    let totals = totals.unwrap_or_else(|| temporary_database("index_files").to_string_lossy().into());
    say!("ledger: {totals}");
    // Otherwise this run would find its files already done by another.
    if Ledger::open(&totals)?.counts()?.0 != 0 {
        return Err(format!("{totals} already has data from another run").into());
    }
    let mut children = Vec::new();
    for number in 1..=workers {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("work").arg(&job.directory).args(["--totals", &totals, "--server", &job.server]);
        command.args(["--ttl-ms", &job.ttl_ms.to_string(), "--work-ms", &job.work_ms.to_string()]);
        command.args(["--name", &format!("worker-{number}")]);
        if job.no_locks {
            command.arg("--no-locks");
        }
        children.push(command.spawn()?);
    }
    for mut child in children {
        let status = child.wait()?;
        if !status.success() {
            eprintln!("index_files: a worker failed with {status}; the others took over its files");
        }
    }
    check(&job.directory, &totals)
}

/// Works until every file is done, by this worker or by others.
async fn work_all(job: &Job, totals: &str, name: &str) -> Result<(), BoxError> {
    let mut ledger = Ledger::open(totals)?;
    let files = text_files(&job.directory)?;
    let client = if job.no_locks {
        None
    } else {
        let ttl = Duration::from_millis(job.ttl_ms);
        Some(Client::builder().address(&job.server).owner(name).default_ttl(ttl).connect().await?)
    };
    let mut remaining = files.iter();
    // Files locked by other workers, which finish them or lose their locks. They are
    // retried before each remaining file.
    let mut held = Vec::new();
    loop {
        let next = remaining.next();
        let mut still_held = Vec::new();
        for file in held.drain(..).chain(next) {
            let path = file.strip_prefix(&job.directory).unwrap_or(file).to_string_lossy();
            let done = ledger.is_done(&path)?
                || match &client {
                    Some(client) => process_with_locks(client, &mut ledger, job, file, &path, name).await?,
                    None => process_without_locks(&mut ledger, job, file, &path, name).await?,
                };
            if !done {
                still_held.push(file);
            }
        }
        held = still_held;
        if next.is_none() {
            if held.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    if let Some(client) = client {
        client.close(Duration::from_secs(5)).await?;
    }
    Ok(())
}

/// Processes a file unless another worker has locked it. Returns whether the file
/// is done.
async fn process_with_locks(
    client: &Client,
    ledger: &mut Ledger,
    job: &Job,
    file: &Path,
    path: &str,
    name: &str,
) -> Result<bool, BoxError> {
    let resource = lock_name(path);
    let Some(guard) = client.try_lock(resource.clone()).await? else { return Ok(false) };
    let fence = FencedResource { resource, token: Some(guard.fencing_token().get()) };
    // Another worker may have finished it between the check and the lock.
    if ledger.is_done(path)? {
        return Ok(true);
    }
    if ledger.begin(&fence)?.is_err() {
        return Ok(false);
    }
    let words = count_words(file)?;
    tokio::time::sleep(Duration::from_millis(job.work_ms)).await;
    let total_guard = client.lock("index-total").await?;
    let total_fence =
        FencedResource { resource: "index-total".into(), token: Some(total_guard.fencing_token().get()) };
    let Ok(total) = ledger.read_total(&total_fence)? else { return Ok(false) };
    // The guards would report a lost lock, but a process can be stopped right after
    // it has checked them. Only the ledger's fence is safe.
    let written = ledger.write(&fence, &total_fence, path, words, total + words, name)?;
    if let Err(refused) = &written {
        say!("{name}: write for {path} refused: the lock on {} was lost", refused.resource);
    }
    Ok(written.is_ok())
}

/// The name of a file's lock.
fn lock_name(path: &str) -> String {
    let name = format!("index/{path}");
    if ResourceName::try_from(name.as_str()).is_ok() {
        return name;
    }
    // A path can be longer than a name, and have characters that are not allowed in
    // names. All workers must agree on its name, whatever Rust they were built with,
    // so the hash is not that of the standard library.
    let hash = Sha256::digest(path);
    let hash: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("index/#{hash}")
}

async fn process_without_locks(
    ledger: &mut Ledger,
    job: &Job,
    file: &Path,
    path: &str,
    name: &str,
) -> Result<bool, BoxError> {
    let none = FencedResource { resource: String::new(), token: None };
    let words = count_words(file)?;
    let Ok(total) = ledger.read_total(&none)? else { return Ok(false) };
    tokio::time::sleep(Duration::from_millis(job.work_ms)).await;
    if ledger.write(&none, &none, path, words, total + words, name)?.is_err() {
        say!("{name}: a write was refused without a fence");
    }
    // Done by some worker; without locks, there is no way to tell which.
    Ok(true)
}

/// Compares the ledger with a single pass over the files.
fn check(directory: &Path, totals: &str) -> Result<bool, BoxError> {
    let files = text_files(directory)?;
    let mut expected = 0;
    for file in &files {
        expected += count_words(file)?;
    }
    let mut ledger = Ledger::open(totals)?;
    let total = ledger.total()?;
    let (done, twice, refused) = ledger.counts()?;
    say!("files:                 {} of {} done", done, files.len());
    say!("words, single pass:    {expected}");
    say!("words, by the workers: {total}");
    say!("files done twice:      {twice}");
    say!("stale writes refused:  {refused}");
    let right = total == expected && twice == 0 && usize::try_from(done)? == files.len();
    say!("{}", if right { "The totals are equal." } else { "The totals are WRONG." });
    Ok(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_own_valid_lock_name() {
        let long = |last: &str| format!("{}{last}", "directory/".repeat(40));
        assert_eq!(lock_name("src/lib.rs"), "index/src/lib.rs");
        let (a, b) = (lock_name(&long("a.rs")), lock_name(&long("b.rs")));
        assert!(ResourceName::try_from(a.as_str()).is_ok() && a != b, "{a} {b}");
        assert!(ResourceName::try_from(lock_name("a\nb.rs").as_str()).is_ok());
        // The same in every build: SHA-256.
        assert_eq!(a, "index/#66629cdbc0afcfb07a8a0c61a95b96a3");
    }
}
