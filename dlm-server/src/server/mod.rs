//! A complete server: its options, its listeners and its shutdown.
//!
//! - `builder`: the options; `start`: the start; `error`: why it failed
//! - `listeners`: the addresses that are listened on

mod builder;
mod error;
mod listeners;
mod start;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use builder::ServerBuilder;
pub use error::{RunError, StartError};

use crate::audit::Audit;
use crate::clock::since_boot;
use crate::http::{self, App, Listener, ServeOptions};
use crate::reload::Reload;
use crate::service::Service;

/// Time limit of a shutdown. It leaves the process a second to exit.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(9);

/// A server that listens and is ready to [`run`](Server::run). It must run within
/// a tokio runtime.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    urls: Vec<String>,
    probe_url: Option<String>,
    reload: Reload,
    service: Service,
    app: App,
    options: ServeOptions,
    audit: Audit,
}

impl Server {
    /// Returns a builder with the default options.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The addresses that the server listens on, such as `https://127.0.0.1:7420`: at
    /// least one, in the order of the options.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The address that serves only probes, if there is one.
    #[must_use]
    pub fn probe_url(&self) -> Option<&str> {
        self.probe_url.as_deref()
    }

    /// Makes the server read its files again while it runs.
    #[must_use]
    pub fn reload(&self) -> Reload {
        self.reload.clone()
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn metrics(&self) -> std::sync::Arc<crate::Metrics> {
        self.app.metrics()
    }

    /// The service behind the transports, for use within this process.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Serves until `stop` is cancelled, and then drains: waiters get a response
    /// that they are still queued, WebSockets are closed with 1012, requests in
    /// flight and commits are finished. Draining takes at most ten seconds.
    ///
    /// # Errors
    ///
    /// Returns an error if a vital part of the server ended unasked: it drains then as
    /// if `stop` had been cancelled. Also if not all commits were finished.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future abandons connections and skips the
    /// drain. Cancel `stop` instead.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RunError> {
        let Self { listeners, service, app, options, audit, .. } = self;
        // The caller's token is not cancelled when this server fails.
        let stop = stop.child_token();
        let mut draining_since = since_boot();
        let draining = || {
            draining_since = since_boot();
            service.drain();
        };
        let serving = http::serve(listeners, app, options, stop.clone(), draining);
        let stop_on_failure = async {
            service.part_ended().await;
            stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = serving => {}
            () = stop_on_failure => {}
        }
        let drained = since_boot().saturating_sub(draining_since);
        let finished = service.close_within(SHUTDOWN_WITHIN.saturating_sub(drained)).await;
        // At the end of the process the rest would be lost.
        tokio::task::spawn_blocking(move || audit.flush()).await.ok();
        match service.ended_part() {
            Some(ended) => Err(RunError::PartEnded { part: ended.part.clone(), panicked: ended.panicked }),
            None if finished => Ok(()),
            None => Err(RunError::Unfinished),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn server(directory: &tempfile::TempDir) -> Server {
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        Server::builder().listen("127.0.0.1:0").database_url(url).bind().await.unwrap()
    }

    #[tokio::test]
    async fn b53_run_returns_the_vital_part_that_ended() {
        let directory = tempfile::tempdir().unwrap();
        let server = server(&directory).await;
        let service = server.service().clone();
        assert_eq!((service.alive(), service.ready().await), (Ok(()), Ok(())));
        service.background().spawn("doomed", async { panic!("expected") }).unwrap();
        let stop = CancellationToken::new();
        match server.run(stop.clone()).await {
            Err(RunError::PartEnded { part, panicked: true }) => assert_eq!(part, "doomed"),
            other => panic!("{other:?}"),
        }
        assert!(service.alive().is_err() && service.ready().await.is_err());
        assert!(!stop.is_cancelled());
    }

    #[tokio::test]
    async fn b53_run_returns_a_writer_that_panicked() {
        let directory = tempfile::tempdir().unwrap();
        let server = server(&directory).await;
        let service = server.service().clone();
        let running = server.run(CancellationToken::new());
        let break_writer = service.break_writer();
        let (ran, broken) = tokio::join!(running, break_writer);
        assert!(broken.is_err());
        assert_eq!(ran.unwrap_err().to_string(), "writer-0 panicked: the server can't go on without it");
    }

    #[tokio::test]
    async fn a_server_that_is_stopped_runs_without_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        server(&directory).await.run(stop).await.unwrap();
    }
}
