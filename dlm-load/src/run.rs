//! One run: starts the workers, measures, and builds the report.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dlm_client::{Client, TransportKind};
use futures_util::future::try_join_all;
use tokio::sync::watch;

use crate::metrics::{MetricsDelta, MetricsSnapshot};
use crate::report::{Latency, Report, Window};
use crate::servers::Servers;
use crate::sockets::Connector;
use crate::worker::{LoadWorker, WorkerStats, generate_events, now};
use crate::{BoxError, Workload, sessions, watchers};

pub(crate) struct RunConfig {
    pub(crate) workload: Workload,
    pub(crate) workers: usize,
    pub(crate) clients: usize,
    pub(crate) transport: TransportKind,
    pub(crate) warm_up: Duration,
    pub(crate) measurement: Duration,
    /// How many parts of the measurement are reported each by itself.
    pub(crate) windows: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum RunPhase {
    #[default]
    WarmUp,
    Measuring,
    Finished,
}

/// The current phase, which all workers observe, and how far they are in it.
#[derive(Debug, Default)]
pub(crate) struct PhaseWatch {
    phase: watch::Sender<RunPhase>,
    /// The cycles that were measured so far.
    cycles: AtomicU64,
}

impl PhaseWatch {
    pub(crate) fn is(&self, phase: RunPhase) -> bool {
        *self.phase.borrow() == phase
    }

    /// Records a cycle that was measured.
    pub(crate) fn cycle(&self) {
        self.cycles.fetch_add(1, Ordering::Relaxed);
    }

    fn set(&self, phase: RunPhase) {
        self.phase.send_replace(phase);
    }

    /// Waits for the end of the run.
    pub(crate) async fn finished(&self) {
        // Never fails: the sender lives as long as `self`.
        self.phase.subscribe().wait_for(|phase| *phase == RunPhase::Finished).await.ok();
    }
}

/// Runs the workload and reports what was measured.
pub(crate) async fn run(config: &RunConfig, servers: &Servers) -> Result<Report, BoxError> {
    let idle_memory = servers.memory_kb();
    let phase = Arc::new(PhaseWatch::default());
    let connector = Connector::new(servers)?;
    let mut tasks = Vec::new();
    let mut clients = Vec::new();
    if !matches!(config.workload, Workload::Sessions) {
        clients = try_join_all((0..config.clients).map(|number| connect(config, servers, number))).await?;
    }
    let urls: Vec<&str> = servers.urls().collect();
    for number in 0..config.workers {
        let phase = Arc::clone(&phase);
        let url = || urls[number % urls.len()].to_owned();
        tasks.push(match config.workload {
            Workload::Sessions => spawn(described(sessions::idle(connector.clone(), url(), phase))),
            Workload::Follow { raw: true, .. } => {
                spawn(described(watchers::watch(connector.clone(), url(), phase)))
            }
            workload => {
                let worker = LoadWorker {
                    client: clients[number % clients.len()].clone(),
                    number,
                    workload,
                    phase,
                    // Keeps the lock names of different runs on one server apart.
                    run_id: std::process::id(),
                };
                spawn(described(worker.run()))
            }
        });
    }
    if let Workload::Follow { rate, .. } = config.workload {
        let generator = generate_events(clients[0].clone(), rate, Arc::clone(&phase));
        tasks.push(spawn(described(generator)));
    }
    tokio::time::sleep(config.warm_up).await;
    let before = MetricsSnapshot::take(servers).await?;
    let started = now();
    phase.set(RunPhase::Measuring);
    let windows = measure(config, servers, &phase).await;
    phase.set(RunPhase::Finished);
    let seconds = started.elapsed().as_secs_f64();
    let after = MetricsSnapshot::take(servers).await?;
    let memory = servers.memory_kb().zip(idle_memory).map(|(now, idle)| now.saturating_sub(idle));
    let mut stats = Vec::new();
    for task in tasks {
        stats.push(task.await??);
    }
    for client in &clients {
        client.close(Duration::from_secs(10)).await?;
    }
    let mut report = build_report(config, seconds, &MetricsDelta { before: &before, after: &after }, stats);
    report.server_memory_kb = memory;
    report.tls = servers.have_tls();
    report.windows = windows;
    Ok(report)
}

/// Waits for the end of the measurement. Returns its windows, unless there is only one.
async fn measure(config: &RunConfig, servers: &Servers, phase: &PhaseWatch) -> Vec<Window> {
    if config.windows <= 1 {
        tokio::time::sleep(config.measurement).await;
        return Vec::new();
    }
    let began = now();
    let (mut since, mut cycles) = (Duration::ZERO, 0);
    let mut windows = Vec::new();
    for number in 1..=config.windows {
        let end = config.measurement * number / config.windows;
        tokio::time::sleep(end.saturating_sub(began.elapsed())).await;
        let (at, total) = (began.elapsed(), phase.cycles.load(Ordering::Relaxed));
        windows.push(Window {
            seconds: at.as_secs_f64(),
            cycles_per_second: (total - cycles) as f64 / (at - since).as_secs_f64(),
            server_memory_kb: servers.memory_kb(),
            database_kb: servers.database_kb(),
        });
        (since, cycles) = (at, total);
    }
    windows
}

/// Connects a client. Each prefers another server.
async fn connect(config: &RunConfig, servers: &Servers, number: usize) -> Result<Client, BoxError> {
    let mut urls: Vec<&str> = servers.urls().collect();
    let first = number % urls.len();
    urls.rotate_left(first);
    let builder = servers.access().client()?.addresses(urls).keep_address_order(true);
    Ok(builder.transport(config.transport).connect().await?)
}

fn build_report(
    config: &RunConfig,
    seconds: f64,
    metrics: &MetricsDelta<'_>,
    stats: Vec<WorkerStats>,
) -> Report {
    let cycles: u64 = stats.iter().map(|stats| stats.cycles).sum();
    let batches = metrics.of("dlm_batch_operations_count");
    let mean = |total: f64, count: f64| if count > 0.0 { total / count } else { 0.0 };
    Report {
        load: match config.workload {
            Workload::Cycle { new_names: false, .. } => "cycle",
            Workload::Cycle { new_names: true, .. } => "cycle, new names",
            Workload::Handoff => "handoff",
            Workload::Hold { .. } => "hold",
            Workload::Sessions => "sessions (cycles are open sessions, acquire is their opening)",
            Workload::Follow { .. } => "follow (cycles are events, acquire is their lag)",
        },
        workers: config.workers,
        clients: config.clients,
        auth: metrics.servers_authenticate(),
        tls: false,
        seconds,
        cycles,
        cycles_per_second: cycles as f64 / seconds,
        worker_min: stats.iter().map(|stats| stats.cycles).min().unwrap_or(0),
        worker_max: stats.iter().map(|stats| stats.cycles).max().unwrap_or(0),
        lost: stats.iter().map(|stats| stats.lost).sum(),
        acquire_ms: Latency::of(stats.into_iter().flat_map(|stats| stats.acquire_micros).collect()),
        batches_per_second: batches / seconds,
        operations_per_batch: mean(metrics.of("dlm_batch_operations_sum"), batches),
        writer_load: metrics.of("dlm_writer_busy_seconds_total") / seconds,
        commit_ms: 1000.0
            * mean(
                metrics.of("dlm_commit_duration_seconds_sum"),
                metrics.of("dlm_commit_duration_seconds_count"),
            ),
        server_processors: metrics.server_cpu_seconds().map(|used| used / seconds),
        server_memory_kb: None,
        load_processors: metrics.own_cpu_seconds().map(|used| used / seconds),
        windows: Vec::new(),
    }
}

/// A worker that describes its error: a task has to return one that can be sent.
async fn described<E: Into<BoxError>>(
    worker: impl Future<Output = Result<WorkerStats, E>>,
) -> Result<WorkerStats, String> {
    worker.await.map_err(|error| format!("{:#}", error.into()))
}

#[expect(clippy::disallowed_methods, reason = "the workers are joined at the end of the run")]
fn spawn<F: Future<Output: Send + 'static> + Send + 'static>(
    future: F,
) -> tokio::task::JoinHandle<F::Output> {
    tokio::spawn(future)
}
