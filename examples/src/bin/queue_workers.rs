//! Workers that share a queue of jobs. A job is a file, and a worker that holds the lock on it does
//! it. When a worker dies, another does its job once the TTL has passed.
//!
//! Workers only try: a job whose lock is held is somebody else's. The mark that a job is done is
//! checked under its lock, since the lock is free again once the job is done.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use dlm_client::{Client, LockGuard};
use dlm_examples::{say, stop_requested};

/// Do the jobs in a directory, together with other workers.
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the lock server.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// Directory with the jobs: files named `*.job`.
    #[arg(long)]
    jobs: PathBuf,
    /// Name of this worker.
    #[arg(long)]
    name: String,
    /// TTL of the locks, in milliseconds: for so long the job of a worker that has died waits.
    #[arg(long, default_value_t = 10_000)]
    ttl_ms: u64,
    /// How long a job takes, in milliseconds.
    #[arg(long, default_value_t = 20)]
    job_ms: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let client = Client::builder()
        .address(&arguments.server)
        .owner(&arguments.name)
        .default_ttl(Duration::from_millis(arguments.ttl_ms))
        .connect()
        .await?;
    let worker = Worker { client: client.clone(), jobs: arguments.jobs, name: arguments.name };
    let result = tokio::select! {
        result = worker.run(Duration::from_millis(arguments.job_ms)) => result,
        requested = stop_requested() => requested.map_err(Into::into),
    };
    // A job that was interrupted is released: another worker does it at once.
    client.close(Duration::from_secs(5)).await?;
    result
}

struct Worker {
    client: Client,
    jobs: PathBuf,
    name: String,
}

impl Worker {
    /// Works until all jobs are done.
    async fn run(&self, job_time: Duration) -> Result<(), Box<dyn Error>> {
        loop {
            let open = open_jobs(&self.jobs)?;
            if open.is_empty() {
                return Ok(());
            }
            let mut busy = false;
            for job in open {
                busy |= self.try_job(&job, job_time).await?;
            }
            if !busy {
                // The rest is being done by others. If one of them dies, its jobs come back.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// Does a job, unless another worker has its lock or has done it. Returns whether it did.
    async fn try_job(&self, job: &Path, job_time: Duration) -> Result<bool, Box<dyn Error>> {
        let name = job.file_name().unwrap_or_default().to_string_lossy();
        let Some(guard) = self.client.try_lock(format!("jobs/{name}")).await? else { return Ok(false) };
        // Others may have done it since the directory was read.
        if done_mark(job).exists() {
            guard.release().await?;
            return Ok(false);
        }
        tokio::select! {
            biased;
            reason = guard.lost() => {
                say!("{}: gave up {name}: {reason}", self.name);
                return Ok(false);
            }
            () = tokio::time::sleep(job_time) => self.finish(job, &guard)?,
        }
        match guard.release().await {
            Err(error) if error.is_lost() => say!("{}: {name} may be done twice: {error}", self.name),
            released => released.map(|()| say!("{}: did {name}", self.name))?,
        };
        Ok(true)
    }

    fn finish(&self, job: &Path, guard: &LockGuard) -> Result<(), Box<dyn Error>> {
        // As late as possible: the lock may have been lost meanwhile.
        let token = guard.live_token()?;
        fs::write(done_mark(job), format!("{} {token}\n", self.name))?;
        Ok(())
    }
}

fn open_jobs(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut jobs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "job") && !done_mark(&path).exists() {
            jobs.push(path);
        }
    }
    jobs.sort();
    Ok(jobs)
}

fn done_mark(job: &Path) -> PathBuf {
    job.with_extension("done")
}

#[cfg(test)]
mod tests {
    use dlm_testing::TestServer;
    use tempfile::TempDir;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    fn jobs(names: &[&str]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| fs::write(directory.path().join(format!("{name}.job")), "").unwrap());
        directory
    }

    async fn worker(server: &TestServer, directory: &TempDir) -> Worker {
        Worker { client: server.client().await, jobs: directory.path().to_owned(), name: "w".into() }
    }

    #[tokio::test]
    async fn job_of_another_worker_is_left_to_it() {
        let (server, directory) = (TestServer::start(), jobs(&["a", "b"]));
        let worker = worker(&server, &directory).await;
        let other = server.hold("jobs/a.job");
        let [a, b] = ["a", "b"].map(|name| directory.path().join(format!("{name}.job")));
        assert!(!worker.try_job(&a, SOON).await.unwrap());
        assert!(worker.try_job(&b, SOON).await.unwrap());
        assert_eq!(open_jobs(directory.path()).unwrap(), [a]);
        drop(other);
        worker.run(SOON).await.unwrap();
        assert!(open_jobs(directory.path()).unwrap().is_empty());
    }

    #[tokio::test]
    async fn job_is_given_up_when_its_lock_is_lost_and_done_again() {
        let (server, directory) = (TestServer::start(), jobs(&["a"]));
        let worker = worker(&server, &directory).await;
        let job = directory.path().join("a.job");
        let (did, ()) = tokio::join!(worker.try_job(&job, Duration::from_secs(3600)), async {
            server.wait_until_held("jobs/a.job").await;
            server.lose("jobs/a.job");
        });
        assert!(!did.unwrap());
        assert!(!done_mark(&job).exists());
        worker.run(SOON).await.unwrap();
        assert_eq!(fs::read_to_string(done_mark(&job)).unwrap(), "w 3\n");
    }
}
