//! A program without async: threads, and processes, increment a counter in a file under a lock.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Parser;
use dlm_client::Client;
use dlm_examples::say;

/// Increment a counter in a file from several threads.
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the lock server.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// File with the counter. It is created if it does not exist.
    #[arg(long)]
    counter: PathBuf,
    /// Number of threads.
    #[arg(long, default_value_t = 4)]
    threads: u32,
    /// Increments of each thread.
    #[arg(long, default_value_t = 25)]
    increments: u32,
}

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    // One client for all threads.
    let client = Client::connect_blocking(&arguments.server)?;
    thread::scope(|scope| {
        let increment_often =
            || (0..arguments.increments).try_for_each(|_| increment(&client, &arguments.counter));
        let threads: Vec<_> = (0..arguments.threads).map(|_| scope.spawn(increment_often)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })?;
    // Another process may be about to write it.
    let guard = client.lock_blocking("counter")?;
    let count = read(&arguments.counter)?;
    guard.release_blocking()?;
    client.close_blocking(Duration::from_secs(5))?;
    say!("the counter is {count}");
    Ok(())
}

fn increment(client: &Client, counter: &Path) -> Result<(), Failure> {
    let guard = client.lock("counter").wait(Duration::from_secs(60)).lock_blocking()?;
    let next = read(counter)? + 1;
    // A file can't refuse a stale holder by its token. So check as late as possible, and keep the
    // pause between check and write short.
    guard.live_token()?;
    std::fs::write(counter, next.to_string())?;
    guard.release_blocking()?;
    Ok(())
}

/// Zero if there is no file yet.
fn read(counter: &Path) -> Result<u64, Failure> {
    match std::fs::read_to_string(counter) {
        Ok(text) => Ok(text.trim().parse()?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use dlm_testing::{AcquireFault, TestServer};

    use super::*;

    #[test]
    fn counter_is_not_touched_without_the_lock() {
        let server = TestServer::start();
        let client = server.client_blocking();
        let directory = tempfile::tempdir().unwrap();
        let counter = directory.path().join("counter");
        increment(&client, &counter).unwrap();
        server.next_acquire("counter", AcquireFault::TimesOut);
        assert!(increment(&client, &counter).is_err());
        increment(&client, &counter).unwrap();
        assert_eq!(read(&counter).unwrap(), 2);
    }
}
