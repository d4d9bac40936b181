//! Start of a service: its store, its writers and its background tasks.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Limits;
use dlm_protocol::limits::{AWAY_GRACE_MS, MAX_HOLDERS_SHOWN};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::checks::LastChecks;
use super::deadlock_counter::DeadlockCounter;
use super::explain::KeptHolds;
use super::lease_id::LeaseIds;
use super::overview::Overviews;
use super::owners::Owners;
use super::quotas::{Quotas, SocketLimits, UsageCounter, count_at_start};
use super::reads::Reads;
use super::tickets::Tickets;
use super::wait_graph::WaitGraphs;
use super::{Inner, Service, Via};
use crate::anonymous_claims::AnonymousClaims;
use crate::audit::Audit;
use crate::auth::{Policies, Policy};
use crate::background::Background;
use crate::feed::Feed;
use crate::lease_watchers::LeaseWatchers;
use crate::log::LogDecoder;
use crate::membership::Membership;
use crate::metrics::Metrics;
use crate::release_requests::ReleaseRequests;
use crate::store::{self, OpenError, Reader};
use crate::tasks::{self, ReadinessProbe, Retention, TaskContext};
use crate::writer::{self, NextCheck, Parked};

/// The engine's bound for the leases and waits of one resource that end or are
/// granted by themselves in one transaction. Writing so many rows takes about
/// ten milliseconds.
const MAX_TRANSITIONS: usize = 256;

/// The options of a service.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// `sqlite://path` or `postgres://…`.
    pub database_url: String,
    /// How many connections to Postgres write, each for a share of the resource
    /// names; clamped to 1 to 64. SQLite has a single writer.
    pub writers: usize,
    /// How long an idle resource is kept.
    pub idle_retention: Duration,
    /// The maximum age of events in the log.
    pub event_retention: Duration,
    /// The maximum number of events in the log.
    pub event_limit: u64,
    /// A file with the secret that signs lease ids, at least 32 bytes. Without
    /// one, a random secret is generated and stored in the database.
    pub secret_file: Option<PathBuf>,
    /// How many sessions a principal may have open at this server; at least 1. Without
    /// authentication there is no limit.
    pub max_sessions_per_principal: usize,
    /// How many event streams a principal may have open at this server; at least 1.
    /// Without authentication there is no limit.
    pub max_subscribers_per_principal: usize,
    /// When a wait or a hold is a trouble.
    pub troubles: TroubleThresholds,
}

/// From when on a wait or a hold is a trouble, for the webhook and for pages that show troubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TroubleThresholds {
    /// A wait of this length is a trouble. The default is 60 s.
    pub wait: Duration,
    /// It is a trouble if a lock that others wait for is held for this long. By default it is none.
    pub hold: Option<Duration>,
}

impl Default for TroubleThresholds {
    fn default() -> Self {
        Self { wait: Duration::from_secs(60), hold: None }
    }
}

#[cfg(test)]
impl ServiceOptions {
    /// An SQLite database in a directory.
    pub(super) fn for_tests(directory: &Path) -> Self {
        Self {
            database_url: format!("sqlite://{}", directory.join("test.db").display()),
            writers: 1,
            idle_retention: Duration::from_secs(60),
            event_retention: Duration::from_secs(60),
            event_limit: 1_000_000,
            secret_file: None,
            max_sessions_per_principal: 10_000,
            max_subscribers_per_principal: 1_000,
            troubles: TroubleThresholds::default(),
        }
    }
}

impl Service {
    /// Opens the store, runs pending migrations and starts the service. Without
    /// authentication: every caller is [`Principal::anonymous`](crate::Principal::anonymous),
    /// which may do everything.
    ///
    /// # Errors
    ///
    /// Returns an error that tells the operator what to change.
    pub async fn open(options: ServiceOptions, metrics: Arc<Metrics>) -> Result<Self, OpenError> {
        Self::open_with(options, Policies::new(Policy::open()), metrics, Audit::default()).await
    }

    /// Opens a service that authorizes operations by these policies, and records what an
    /// audit log has to show.
    pub(crate) async fn open_with(
        options: ServiceOptions,
        policies: Policies,
        metrics: Arc<Metrics>,
        audit: Audit,
    ) -> Result<Self, OpenError> {
        let opening =
            tokio::task::spawn_blocking(move || Self::open_blocking(&options, policies, metrics, audit));
        let (service, context, counter, deadlocks) = opening.await.map_err(|error| stopped(&error))??;
        let background = &service.0.background;
        let counting =
            counter.run(background.health().attempts("usage-counter", None), background.stop_token());
        let started = tasks::start(background, context)
            .and_then(|()| background.spawn("usage-counter", counting))
            .and_then(|()| {
                let attempts = background.health().attempts("deadlock-counter", None);
                background.spawn("deadlock-counter", deadlocks.run(attempts, background.stop_token()))
            });
        if let Err(error) = started {
            service.close().await;
            return Err(stopped(&error));
        }
        Ok(service)
    }

    fn open_blocking(
        options: &ServiceOptions,
        policies: Policies,
        metrics: Arc<Metrics>,
        audit: Audit,
    ) -> Result<(Self, TaskContext, UsageCounter, DeadlockCounter), OpenError> {
        let secret = options.secret_file.as_deref().map(read_secret).transpose()?;
        let is_open = policies.current().is_open();
        let opened = store::open(&options.database_url, options.writers, is_open)?;
        let limits = Arc::new(Limits {
            away_grace_ms: AWAY_GRACE_MS,
            idle_retention_ms: u64::try_from(options.idle_retention.as_millis()).unwrap_or(u64::MAX),
            holders_shown: MAX_HOLDERS_SHOWN,
            max_transitions: MAX_TRANSITIONS,
        });
        let heartbeat = opened.cluster.heartbeat(0).map_err(|error| stopped(&error))?;
        let membership = Arc::new(Membership::new(heartbeat.replicas));
        let anonymous_claims = Arc::new(AnonymousClaims::new(heartbeat.open_peers));
        let next_check = Arc::new(NextCheck::new());
        let parked = Arc::new(match opened.cluster.is_shared() {
            true => Parked::with_peers(&opened.identity.secret),
            false => Parked::default(),
        });
        let lease_watchers = Arc::<LeaseWatchers>::default();
        let release_requests = known_release_requests(&*opened.task_readers.sweeper)?;
        let feed = Feed::new();
        let decoder = Arc::new(LogDecoder::new(opened.identity.log_id, Arc::clone(&metrics)));
        let background = Background::new(Arc::clone(&metrics));
        let (readiness, probes) = ReadinessProbe::new();
        let counter = UsageCounter {
            usage: Arc::default(),
            reader: Arc::clone(&opened.task_readers.usage),
            policies: policies.subscribe(),
            metrics: Arc::clone(&metrics),
        };
        let deadlocks = DeadlockCounter {
            reader: Arc::clone(&opened.task_readers.maintenance),
            membership: Arc::clone(&membership),
            limits: Arc::clone(&limits),
            metrics: Arc::clone(&metrics),
        };
        let usage = Arc::clone(&counter.usage);
        count_at_start(&usage, &policies.current(), &*counter.reader);
        let sockets = SocketLimits {
            sessions: options.max_sessions_per_principal.max(1),
            subscribers: options.max_subscribers_per_principal.max(1),
        };
        let quotas = Quotas::new(Arc::clone(&usage), sockets, Arc::clone(&metrics));
        let dependencies = writer::Dependencies {
            lease_watchers: Arc::clone(&lease_watchers),
            feed: feed.clone(),
            membership: Arc::clone(&membership),
            cluster: Arc::clone(&opened.cluster),
            parked: Arc::clone(&parked),
            anonymous_claims: Arc::clone(&anonymous_claims),
            usage,
            limits: Arc::clone(&limits),
            metrics,
            next_check: Arc::clone(&next_check),
        };
        let writers =
            writer::start(opened.stores, &dependencies, &background).map_err(|error| stopped(&error))?;
        let context = TaskContext {
            writers: writers.clone(),
            readers: opened.task_readers,
            housekeeping: opened.housekeeping,
            cluster: Arc::clone(&opened.cluster),
            membership: Arc::clone(&membership),
            anonymous_claims,
            is_open,
            lease_watchers: Arc::clone(&lease_watchers),
            release_requests: Arc::clone(&release_requests),
            audit: audit.clone(),
            parked,
            feed: feed.clone(),
            next_check: Arc::clone(&next_check),
            decoder: Arc::clone(&decoder),
            retention: Retention { age: options.event_retention, events: options.event_limit },
            probes,
        };
        let secret = secret.as_deref().unwrap_or(&opened.identity.secret);
        let inner = Arc::new(Inner {
            access: Arc::new(Access::new(policies, writers, Reads::new(opened.reader), feed, quotas)),
            readiness,
            ids: LeaseIds::new(secret),
            tickets: Tickets::new(secret),
            decoder,
            cluster: opened.cluster,
            membership,
            lease_watchers,
            release_requests,
            overviews: Overviews::default(),
            wait_graphs: WaitGraphs::default(),
            owners: Owners::default(),
            holds: KeptHolds::default(),
            checks: LastChecks::default(),
            past_reads: Arc::default(),
            replays: Arc::default(),
            limits,
            troubles: options.troubles,
            draining: CancellationToken::new(),
            background,
            audit,
            #[cfg(feature = "test-time")]
            next_check,
        });
        Ok((Self(inner, Via::default()), context, counter, deadlocks))
    }
}

/// The requests to let go of leases from before the start.
fn known_release_requests(reader: &dyn Reader) -> Result<Arc<ReleaseRequests>, OpenError> {
    let requests = Arc::<ReleaseRequests>::default();
    let before = requests.before_read();
    let (_, stored) = reader.release_requests().map_err(|error| stopped(&error))?;
    requests.read(stored, before);
    Ok(requests)
}

fn stopped(error: &dyn fmt::Display) -> OpenError {
    OpenError::Stopped(error.to_string())
}

fn read_secret(path: &Path) -> Result<Vec<u8>, OpenError> {
    let shown = || path.display().to_string();
    let secret = std::fs::read(path).map_err(|source| OpenError::File { path: shown(), source })?;
    if secret.len() < 32 {
        return Err(OpenError::ShortSecret { path: shown() });
    }
    Ok(secret)
}
