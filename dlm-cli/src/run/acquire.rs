//! Takes the lock, unless a signal comes first.

use std::convert::Infallible;
use std::env;
use std::future::pending;
use std::time::Duration;

use dlm_client::{Client, Error, LockGuard, QueuePlace};
use rustix::process::{Signal, getpid, getuid, kill_process};
use tokio::sync::watch;

use super::progress;
use super::report::{News, Reporter};
use super::signals::{Received, Signals};
use crate::arguments::{GlobalOptions, RunArguments};
use crate::connection::connect;
use crate::exit_code::Kind;
use crate::failure::Failure;

/// How long to wait until a waiter has left the queue, or a lease is released.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// How the acquire ended.
pub(super) enum Acquired {
    Guard {
        client: Client,
        guard: LockGuard,
    },
    /// A signal came first. Nothing is held.
    Interrupted(Received),
}

pub(super) async fn acquire(
    arguments: &RunArguments,
    options: &GlobalOptions,
    signals: &Signals,
    reporter: &Reporter,
) -> Result<Acquired, Failure> {
    let client = tokio::select! {
        biased;
        received = end_request(signals) => return Ok(Acquired::Interrupted(received?)),
        client = connect(options) => client?,
    };
    let owner = arguments.owner.clone().unwrap_or_else(default_owner);
    let mut waited = false;
    let (places, newest_place) = watch::channel(None);
    let outcome = tokio::select! {
        biased;
        received = end_request(signals) => Err(received?),
        guard = lock(&client, arguments, &owner, places) => Ok(guard),
        never = told_while_waiting(&client, arguments, &owner, newest_place, reporter, &mut waited) => match never {},
    };
    match outcome {
        Ok(Ok(guard)) => {
            let token = guard.fencing_token().get();
            reporter.tell(&News::Acquired { token, after_wait: waited });
            Ok(Acquired::Guard { client, guard })
        }
        Ok(Err(failure)) => {
            client.close(LEAVE_WITHIN).await.ok();
            Err(failure)
        }
        // The request was dropped, which leaves the queue.
        Err(received) => {
            client.close(LEAVE_WITHIN).await.ok();
            Ok(Acquired::Interrupted(received))
        }
    }
}

async fn lock(
    client: &Client,
    arguments: &RunArguments,
    owner: &str,
    places: watch::Sender<Option<QueuePlace>>,
) -> Result<LockGuard, Failure> {
    let RunArguments { name, ttl, .. } = arguments;
    let metadata = arguments.meta.iter().cloned();
    if arguments.no_wait {
        let request = client.try_lock(name).ttl(*ttl).owner(owner).metadata(metadata);
        let request = if arguments.shared { request.shared() } else { request };
        let held = || Failure::of(Kind::NotAcquired, format!("`{name}` is held"));
        return request.await?.ok_or_else(held);
    }
    let request = client.lock(name).ttl(*ttl).owner(owner).metadata(metadata);
    let request = request.on_queued(move |place| {
        places.send_replace(Some(place));
    });
    let request = if arguments.shared { request.shared() } else { request };
    let request = match arguments.wait {
        Some(wait) => request.wait(wait),
        None => request,
    };
    request.await.map_err(|error| not_acquired(name, error))
}

/// A wait that timed out is no server that did not answer, although both are timeouts.
fn not_acquired(name: &str, error: Error) -> Failure {
    if error.is_timeout() && std::error::Error::source(&error).is_none() {
        let failure = Failure::from(error);
        if failure.kind() == Some(Kind::NotAcquired) {
            return failure;
        }
        return Failure::of(Kind::NotAcquired, format!("`{name}` was not granted in time"));
    }
    error.into()
}

async fn told_while_waiting(
    client: &Client,
    arguments: &RunArguments,
    owner: &str,
    places: watch::Receiver<Option<QueuePlace>>,
    reporter: &Reporter,
    waited: &mut bool,
) -> Infallible {
    if arguments.no_wait || arguments.quiet {
        return pending().await;
    }
    progress::report(client, &arguments.name, owner, places, reporter, waited).await
}

/// Waits for a signal that asks to end. Ctrl-Z stops this process, as it stops any other.
async fn end_request(signals: &Signals) -> std::io::Result<Received> {
    loop {
        let received = signals.next().await?;
        if received.asks_to_end() {
            return Ok(received);
        }
        if received.signal == Signal::TSTP {
            kill_process(getpid(), Signal::STOP)?;
        }
    }
}

/// `user@host:pid`, cut to what the protocol allows.
fn default_owner() -> String {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok());
    let user = user.unwrap_or_else(|| getuid().as_raw().to_string());
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    let text = |text: &str, bytes: usize| {
        let mut text: String = text.chars().filter(|char| !char.is_control()).collect();
        while text.len() > bytes {
            text.pop();
        }
        text
    };
    format!("{}@{}:{}", text(&user, 100), text(&host, 100), getpid())
}
