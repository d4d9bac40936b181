//! A busy world to look at: workers that hold, wait, block each other, expire and come and go
//! until the program is stopped. It measures nothing.
//!
//! - `scenes`: who does what
//! - `names`: hostile names, and names that look alike
//! - `job`: what one worker does over and over
//! - `crew`: the tasks of the workers, and what fails in them

mod crew;
mod job;
mod names;
mod scenes;

use std::pin::pin;
use std::time::Duration;

use clap::Args;
use dlm_client::TransportKind;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use self::crew::Crew;
use self::scenes::Clients;
use crate::BoxError;
use crate::servers::Servers;

/// How much of everything there is. Zero leaves a part out.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct WorldOptions {
    /// Grants per second of one hot lock, as far as the server keeps up.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(..=100_000))]
    hot_rate: u32,
    /// Number of waiters in one long queue.
    #[arg(long, default_value_t = 500)]
    queue: usize,
    /// Number of holders of one shared lock, for which a writer waits.
    #[arg(long, default_value_t = 120)]
    readers: usize,
    /// Number of owners in one deadlock: at least 2.
    #[arg(long, default_value_t = 3)]
    deadlock: usize,
    /// Number of owners in a chain, of whom each waits for the one before: at least 2.
    #[arg(long, default_value_t = 4)]
    chain: usize,
    /// Number of workers whose leases expire, again and again.
    #[arg(long, default_value_t = 10)]
    expiring: usize,
    /// Number of workers that come, work for a moment, and go.
    #[arg(long, default_value_t = 20)]
    passing: usize,
    /// Number of locks that are held all the time.
    #[arg(long, default_value_t = 5000)]
    locks: usize,
    /// Leave out hostile names and names that look alike.
    #[arg(long)]
    plain_names: bool,
}

/// How long releases may take at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the world until SIGINT or SIGTERM. Prints `ready` when all of it stands.
///
/// Fails if a worker does before that. Later failures are printed when they happen, and make
/// this fail at the end.
pub(crate) async fn run(
    options: &WorldOptions,
    servers: &Servers,
    transport: TransportKind,
) -> Result<(), BoxError> {
    if options.deadlock == 1 || options.chain == 1 {
        return Err("a deadlock or a chain has at least 2 owners, or 0 for none".into());
    }
    for url in servers.urls() {
        println!("server: {url}");
    }
    let clients = Clients::connect(servers, transport).await?;
    let (failures, mut failed) = mpsc::unbounded_channel();
    let mut crew = Crew::new(failures);
    let mut stopped = pin!(stop_signal());
    tokio::select! {
        built = scenes::build(&mut crew, options, &clients) => built?,
        Some(failure) = failed.recv() => return Err(failure.into()),
        stopped = &mut stopped => return Ok(stopped?),
    }
    println!("ready");
    let mut count = 0;
    loop {
        tokio::select! {
            stopped = &mut stopped => break stopped?,
            Some(failure) = failed.recv() => {
                count += 1;
                eprintln!("dlm-load: {failure}");
            }
        }
    }
    crew.dismiss().await;
    // A server that was started here ends with its database.
    if servers.pids().next().is_none() {
        clients.close(CLOSE_TIMEOUT).await?;
    }
    match count {
        0 => Ok(()),
        count => Err(format!("the workers failed {count} times; see above").into()),
    }
}

async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
