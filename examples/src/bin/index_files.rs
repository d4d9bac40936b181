//! Worker processes share out a tree of text files through locks.
//!
//! Each worker takes files that nobody has, one lock a file, counts the words
//! and *adds* them to a total by a separate read and a later write: the kind of
//! work that goes wrong without locks. The file's lock says who counts it; the
//! total is shared by all files, so its read and write have a lock of their
//! own. The ledger is fenced by both tokens: a worker that was stopped past its
//! TTL has its write refused, and one that is killed leaves nothing half done,
//! since the file's mark and the total are written together.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use dlm_client::{Client, ResourceName};
use dlm_examples::{Fenced, Ledger, new_file};

type Failed = Box<dyn std::error::Error>;

/// Counts the words of a tree of files, with several processes.
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
        work: Job,
        /// The SQLite file with the total, which must be a new one; a temporary
        /// one otherwise.
        #[arg(long)]
        totals: Option<String>,
        /// How many worker processes.
        #[arg(long, default_value_t = 4)]
        workers: usize,
    },
    /// Be one worker.
    Work {
        #[command(flatten)]
        work: Job,
        /// The SQLite file with the total, the same for all workers.
        #[arg(long)]
        totals: String,
        /// This worker's name, shown as the owner of its locks.
        #[arg(long)]
        name: String,
    },
    /// Compare the total with that of a single pass.
    Check {
        /// The tree of files.
        directory: PathBuf,
        /// The ledger.
        #[arg(long)]
        totals: String,
    },
}

#[derive(Debug, Clone, Args)]
struct Job {
    /// The tree of files.
    directory: PathBuf,
    /// The lock server.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// How long a lock lives when its holder is gone, in milliseconds.
    #[arg(long, default_value_t = 2000)]
    ttl_ms: u64,
    /// How long each file takes besides reading it, in milliseconds.
    #[arg(long, default_value_t = 5)]
    work_ms: u64,
    /// Work without locks and without fences, to see what that does.
    #[arg(long)]
    no_locks: bool,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Task::Run { work, totals, workers } => run(&work, totals, workers),
        Task::Work { work, totals, name } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime
                .map_err(Failed::from)
                .and_then(|runtime| runtime.block_on(work_all(&work, &totals, &name)).map(|()| true))
        }
        Task::Check { directory, totals } => check(&directory, &totals),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("index_files: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(work: &Job, totals: Option<String>, workers: usize) -> Result<bool, Failed> {
    let totals = totals.unwrap_or_else(|| new_file("index_files").to_string_lossy().into());
    println!("ledger: {totals}");
    // Else the work of a run with locks would pass for that of one without.
    if Ledger::open(&totals)?.counts()?.0 != 0 {
        return Err(format!("{totals} holds another run already").into());
    }
    let mut children = Vec::new();
    for number in 1..=workers {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("work").arg(&work.directory).args(["--totals", &totals, "--server", &work.server]);
        command.args(["--ttl-ms", &work.ttl_ms.to_string(), "--work-ms", &work.work_ms.to_string()]);
        command.args(["--name", &format!("worker-{number}")]);
        if work.no_locks {
            command.arg("--no-locks");
        }
        children.push(command.spawn()?);
    }
    for mut child in children {
        let status = child.wait()?;
        if !status.success() {
            eprintln!("a worker ended with {status}; the others took over");
        }
    }
    check(&work.directory, &totals)
}

/// Works until every file is done, by whomever.
async fn work_all(work: &Job, totals: &str, name: &str) -> Result<(), Failed> {
    let mut ledger = Ledger::open(totals)?;
    let files = text_files(&work.directory)?;
    let client = if work.no_locks {
        None
    } else {
        let ttl = Duration::from_millis(work.ttl_ms);
        Some(Client::builder().address(&work.server).owner(name).default_ttl(ttl).connect().await?)
    };
    let mut ahead = files.iter();
    // What others are at. They finish it, or their locks run out: so it is tried
    // again before each file that follows.
    let mut held = Vec::new();
    loop {
        let next = ahead.next();
        let mut still_held = Vec::new();
        for file in held.drain(..).chain(next) {
            let path = file.strip_prefix(&work.directory).unwrap_or(file).to_string_lossy();
            let done = ledger.is_done(&path)?
                || match &client {
                    Some(client) => with_locks(client, &mut ledger, work, file, &path, name).await?,
                    None => without_locks(&mut ledger, work, file, &path, name).await?,
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

/// Does a file unless another is at it. Tells whether it is done.
async fn with_locks(
    client: &Client,
    ledger: &mut Ledger,
    work: &Job,
    file: &Path,
    path: &str,
    name: &str,
) -> Result<bool, Failed> {
    let resource = resource_of(path);
    let Some(guard) = client.try_lock(resource.clone()).await? else { return Ok(false) };
    let fence = Fenced { resource, token: Some(guard.fencing_token().get()) };
    // Somebody may have finished it between the look and the lock.
    if ledger.is_done(path)? {
        return Ok(true);
    }
    if ledger.begin(&fence)?.is_err() {
        return Ok(false);
    }
    let words = count_words(file)?;
    tokio::time::sleep(Duration::from_millis(work.work_ms)).await;
    let total_guard = client.lock("index-total").await?;
    let total_fence =
        Fenced { resource: "index-total".into(), token: Some(total_guard.fencing_token().get()) };
    let Ok(total) = ledger.read_total(&total_fence)? else { return Ok(false) };
    // The guards know in time when a lock is lost. It is the ledger that must
    // not believe them: a process can be stopped right here.
    let written = ledger.write(&fence, &total_fence, path, words, total + words, name)?;
    if let Err(refused) = &written {
        println!("{name}: the write for {path} was refused, its lock on {} had been lost", refused.resource);
    }
    Ok(written.is_ok())
}

/// What to lock for a file.
fn resource_of(path: &str) -> String {
    let name = format!("index/{path}");
    if ResourceName::try_from(name.as_str()).is_ok() {
        return name;
    }
    // A path may be longer than a name, and have characters that a name may not.
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    format!("index/#{:016x}", hasher.finish())
}

async fn without_locks(
    ledger: &mut Ledger,
    work: &Job,
    file: &Path,
    path: &str,
    name: &str,
) -> Result<bool, Failed> {
    let none = Fenced { resource: String::new(), token: None };
    let words = count_words(file)?;
    let Ok(total) = ledger.read_total(&none)? else { return Ok(false) };
    tokio::time::sleep(Duration::from_millis(work.work_ms)).await;
    if ledger.write(&none, &none, path, words, total + words, name)?.is_err() {
        println!("{name}: a write was refused without a fence");
    }
    // Done by somebody, whoever it was: without locks nobody knows better.
    Ok(true)
}

/// Compares the ledger with a single pass over the files.
fn check(directory: &Path, totals: &str) -> Result<bool, Failed> {
    let files = text_files(directory)?;
    let mut expected = 0;
    for file in &files {
        expected += count_words(file)?;
    }
    let mut ledger = Ledger::open(totals)?;
    let total = ledger.total()?;
    let (done, twice, refused) = ledger.counts()?;
    println!("files:                 {} of {} done", done, files.len());
    println!("words, single pass:    {expected}");
    println!("words, by the workers: {total}");
    println!("files done twice:      {twice}");
    println!("stale writes refused:  {refused}");
    let right = total == expected && twice == 0 && usize::try_from(done)? == files.len();
    println!("{}", if right { "The totals are equal." } else { "The totals are WRONG." });
    Ok(right)
}

fn count_words(file: &Path) -> io::Result<i64> {
    let text = std::fs::read(file)?;
    let words = String::from_utf8_lossy(&text).split_whitespace().count();
    Ok(i64::try_from(words).unwrap_or(i64::MAX))
}

/// Every text file below a directory, in order; hidden ones, and what was
/// built, are left out.
fn text_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files.extend(text_files(&entry.path())?);
        } else if kind.is_file() && is_text(&name) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn is_text(name: &str) -> bool {
    ["rs", "md", "toml", "sql", "txt", "ts", "vue"].iter().any(|ending| name.ends_with(&format!(".{ending}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_can_be_locked_and_none_shares_the_lock_of_another() {
        let long = |last: &str| format!("{}{last}", "folder/".repeat(40));
        assert_eq!(resource_of("src/lib.rs"), "index/src/lib.rs");
        let (a, b) = (resource_of(&long("a.rs")), resource_of(&long("b.rs")));
        assert!(ResourceName::try_from(a.as_str()).is_ok() && a != b, "{a} {b}");
        assert!(ResourceName::try_from(resource_of("a\nb.rs").as_str()).is_ok());
    }
}
