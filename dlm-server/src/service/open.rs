//! How a service begins: its store, its threads and its tasks.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_engine::Limits;
use dlm_protocol::limits::{AWAY_GRACE_MS, MAX_HOLDERS_SHOWN};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lease_id::LeaseIds;
use super::overview::Overviews;
use super::{Inner, Service};
use crate::ended::Holders;
use crate::feed::{self, Feed};
use crate::forgetter;
use crate::members::{self, Members};
use crate::metrics::Metrics;
use crate::store::{self, OpenError};
use crate::sweeper;
use crate::trimmer::{self, Retention};
use crate::writer::{self, NextCheck, Parked};

/// The thread that hears other servers.
pub(super) const LISTENER: &str = "dlm-listener";

/// What a service is opened with.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// `sqlite://path` or `postgres://…`.
    pub database_url: String,
    /// How many writers share the names out among them; SQLite has one.
    pub writers: usize,
    /// How long a resource that nobody uses is remembered.
    pub idle_retention: Duration,
    /// How old events get.
    pub event_retention: Duration,
    /// How many events are kept.
    pub event_limit: u64,
    /// Holds the secret of the lease ids; the database keeps one of its own
    /// when absent.
    pub secret_file: Option<PathBuf>,
}

impl Service {
    /// Opens the store, brings it to this version and starts to serve it.
    ///
    /// # Errors
    ///
    /// With what the operator has to change.
    pub async fn open(options: ServiceOptions, metrics: Arc<Metrics>) -> Result<Self, OpenError> {
        let retention = Retention { age: options.event_retention, events: options.event_limit };
        let opening = tokio::task::spawn_blocking(move || Self::open_blocking(&options, metrics));
        let (service, next_check, parked) =
            opening.await.map_err(|error| OpenError::Stopped(error.to_string()))??;
        let inner = &service.0;
        let (reader, cluster) = (|| Arc::clone(&inner.reader), || Arc::clone(&inner.cluster));
        let sweeper = sweeper::run(service.clone(), reader(), cluster(), next_check, inner.stop.clone());
        inner.tasks.spawn(sweeper);
        let forgetter = forgetter::run(inner.writers.clone(), reader(), cluster(), inner.stop.clone());
        inner.tasks.spawn(forgetter);
        let trimmer = trimmer::run(inner.writers.clone(), reader(), cluster(), retention, inner.stop.clone());
        inner.tasks.spawn(trimmer);
        let follow =
            feed::Follow { reader: reader(), log_id: inner.log_id, shared: inner.cluster.is_shared() };
        inner.tasks.spawn(follow.run(inner.feed.clone(), inner.stop.clone()));
        if inner.cluster.is_shared() {
            let (members, writers) = (Arc::clone(&inner.members), inner.writers.clone());
            inner.tasks.spawn(members::beat(members, cluster(), parked, writers, inner.stop.clone()));
            inner.tasks.spawn(members::place(cluster(), inner.stop.clone()));
            inner.tasks.spawn(feed::tell(inner.feed.clone(), cluster(), inner.stop.clone()));
        }
        inner.tasks.close();
        Ok(service)
    }

    fn open_blocking(
        options: &ServiceOptions,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Arc<NextCheck>, Arc<Parked>), OpenError> {
        let secret = options.secret_file.as_deref().map(read_secret).transpose()?;
        let opened = store::open(&options.database_url, options.writers)?;
        let limits = Arc::new(Limits {
            away_grace_ms: AWAY_GRACE_MS,
            idle_retention_ms: u64::try_from(options.idle_retention.as_millis()).unwrap_or(u64::MAX),
            holders_shown: MAX_HOLDERS_SHOWN,
        });
        let stopped = |error: &dyn fmt::Display| OpenError::Stopped(error.to_string());
        let cluster = opened.cluster;
        let members = Arc::new(Members::join(&*cluster).map_err(|error| stopped(&error))?);
        let next_check = Arc::new(NextCheck::new());
        let (parked, holders) = (Arc::<Parked>::default(), Arc::<Holders>::default());
        let feed = Feed::new();
        let dependencies = writer::Dependencies {
            holders: Arc::clone(&holders),
            feed: feed.clone(),
            members: Arc::clone(&members),
            cluster: Arc::clone(&cluster),
            parked: Arc::clone(&parked),
            limits: Arc::clone(&limits),
            metrics,
            next_check: Arc::clone(&next_check),
        };
        let (writers, mut threads) =
            writer::start(opened.stores, &dependencies).map_err(|error| stopped(&error))?;
        let stop = CancellationToken::new();
        if cluster.is_shared() {
            let (cluster, writers, stop) = (Arc::clone(&cluster), writers.clone(), stop.clone());
            let (holders, parked, feed) = (Arc::clone(&holders), Arc::clone(&parked), feed.clone());
            let listener = std::thread::Builder::new().name(LISTENER.into());
            let listening =
                listener.spawn(move || members::listen(&*cluster, &parked, &holders, &feed, &writers, &stop));
            threads.push(listening.map_err(|error| stopped(&error))?);
        }
        let service = Self(Arc::new(Inner {
            writers,
            reader: opened.reader,
            ids: LeaseIds::new(secret.as_deref().unwrap_or(&opened.identity.secret)),
            log_id: opened.identity.log_id,
            cluster,
            members,
            holders,
            feed,
            overviews: Overviews::default(),
            limits,
            draining: CancellationToken::new(),
            stop,
            tasks: TaskTracker::new(),
            threads: Mutex::new(threads),
        }));
        Ok((service, next_check, parked))
    }
}

fn read_secret(path: &std::path::Path) -> Result<Vec<u8>, OpenError> {
    let shown = || path.display().to_string();
    let secret = std::fs::read(path).map_err(|source| OpenError::File { path: shown(), source })?;
    if secret.len() < 32 {
        return Err(OpenError::ShortSecret { path: shown() });
    }
    Ok(secret)
}
