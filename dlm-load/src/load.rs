//! What the workers do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dlm_client::{Client, EventItem, GuardState};
use futures_util::future::try_join_all;
use tokio::sync::watch;

use crate::report::{Latency, Report};
use crate::scrape::{Between, Scrape};
use crate::server::Server;
use crate::{Failed, Load};

/// Long enough that nothing is lost to a slow machine.
const TTL: Duration = Duration::from_secs(30);

pub(crate) struct Plan {
    pub(crate) load: Load,
    pub(crate) workers: usize,
    pub(crate) clients: usize,
    pub(crate) transport: dlm_client::TransportKind,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What part of a run it is; at first it warms up.
#[derive(Debug, Default)]
struct Stage(watch::Sender<u8>);

const MEASURING: u8 = 1;
const OVER: u8 = 2;

impl Stage {
    fn is(&self, stage: u8) -> bool {
        *self.0.borrow() == stage
    }

    fn set(&self, stage: u8) {
        self.0.send_replace(stage);
    }

    async fn over(&self) {
        // The sender lives as long as the stage.
        self.0.subscribe().wait_for(|stage| *stage == OVER).await.ok();
    }
}

/// What one worker did while it was measured.
#[derive(Debug, Default)]
struct Done {
    cycles: u64,
    lost: u64,
    acquire_micros: Vec<u32>,
}

/// Runs the load and reports what was measured of it.
pub(crate) async fn run(plan: &Plan, server: &Server) -> Result<Report, Failed> {
    let client = |number: usize| {
        let mut urls: Vec<&str> = server.each().collect();
        let first = number % urls.len();
        urls.rotate_left(first);
        Client::builder().addresses(urls).transport(plan.transport).connect()
    };
    let clients = try_join_all((0..plan.clients).map(client)).await?;
    let idle_memory = server.memory();
    let stage = Arc::new(Stage::default());
    let mut tasks = Vec::new();
    for number in 0..plan.workers {
        let worker = Worker {
            client: clients[number % clients.len()].clone(),
            number,
            load: plan.load,
            stage: Arc::clone(&stage),
            // Names of one run are not those of another on the same server.
            run: std::process::id(),
        };
        tasks.push(spawn(worker.work()));
    }
    if let Load::Follow { rate } = plan.load {
        tasks.push(spawn(make_events(clients[0].clone(), rate, Arc::clone(&stage))));
    }
    tokio::time::sleep(plan.warm_up).await;
    let before = Scrape::of(server).await?;
    let started = now();
    stage.set(MEASURING);
    tokio::time::sleep(plan.measured).await;
    stage.set(OVER);
    let seconds = started.elapsed().as_secs_f64();
    let after = Scrape::of(server).await?;
    let memory = server.memory().zip(idle_memory).map(|(now, idle)| now.saturating_sub(idle));
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await??);
    }
    for client in &clients {
        client.close(Duration::from_secs(10)).await?;
    }
    let mut report = report(plan, seconds, &Between { before: &before, after: &after }, done);
    report.server_memory_kb = memory;
    Ok(report)
}

fn report(plan: &Plan, seconds: f64, between: &Between<'_>, done: Vec<Done>) -> Report {
    let cycles: u64 = done.iter().map(|done| done.cycles).sum();
    let batches = between.of("dlm_batch_operations_count");
    let each = |total: f64, count: f64| if count > 0.0 { total / count } else { 0.0 };
    Report {
        load: match plan.load {
            Load::Cycle { new_names: false, .. } => "cycle",
            Load::Cycle { new_names: true, .. } => "cycle, ever new names",
            Load::Handoff => "handoff",
            Load::Hold { .. } => "hold",
            Load::Follow { .. } => "follow (a cycle is an event, acquire its lag)",
        },
        workers: plan.workers,
        clients: plan.clients,
        seconds,
        cycles,
        cycles_per_second: cycles as f64 / seconds,
        worker_min: done.iter().map(|done| done.cycles).min().unwrap_or(0),
        worker_max: done.iter().map(|done| done.cycles).max().unwrap_or(0),
        lost: done.iter().map(|done| done.lost).sum(),
        acquire_ms: Latency::of(done.into_iter().flat_map(|done| done.acquire_micros).collect()),
        batches_per_second: batches / seconds,
        operations_per_batch: each(between.of("dlm_batch_operations_sum"), batches),
        writer_load: between.of("dlm_writer_busy_seconds_total") / seconds,
        commit_ms: 1000.0
            * each(between.of("dlm_commit_seconds_sum"), between.of("dlm_commit_seconds_count")),
        server_processors: between.server_seconds().map(|used| used / seconds),
        server_memory_kb: None,
        load_processors: between.load_seconds().map(|used| used / seconds),
    }
}

struct Worker {
    client: Client,
    number: usize,
    load: Load,
    stage: Arc<Stage>,
    run: u32,
}

impl Worker {
    async fn work(self) -> Result<Done, dlm_client::Error> {
        match self.load {
            Load::Hold { ttl_ms } => return self.hold(Duration::from_millis(ttl_ms)).await,
            Load::Follow { .. } => return self.follow().await,
            Load::Cycle { .. } | Load::Handoff => {}
        }
        let mut done = Done::default();
        let mut round = 0_usize;
        while !self.stage.is(OVER) {
            let name = self.name(round);
            round += 1;
            let asked = now();
            let guard = self.client.lock(name).ttl(TTL).await?;
            let took = asked.elapsed();
            let lost = guard.state() != GuardState::Held;
            guard.release().await?;
            if self.stage.is(MEASURING) {
                done.cycles += 1;
                done.lost += u64::from(lost);
                done.acquire_micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
            }
        }
        Ok(done)
    }

    fn name(&self, round: usize) -> String {
        let Self { run, number, .. } = self;
        match self.load {
            Load::Cycle { new_names: true, .. } => format!("load/{run}/{number}/{round}"),
            Load::Cycle { keys, .. } => format!("load/{run}/{number}/{}", round % keys.max(1)),
            Load::Handoff | Load::Hold { .. } | Load::Follow { .. } => format!("load/{run}"),
        }
    }

    /// Follows all events to the end of the run.
    async fn follow(self) -> Result<Done, dlm_client::Error> {
        let mut events = self.client.events();
        let mut done = Done::default();
        loop {
            let item = tokio::select! {
                item = events.next() => item,
                () = self.stage.over() => return Ok(done),
            };
            let Some(item) = item else { return Ok(done) };
            if let EventItem::Event(event) = item?
                && self.stage.is(MEASURING)
            {
                let lag = wall_micros().saturating_sub(event.at.as_micros());
                done.cycles += 1;
                done.acquire_micros.push(u32::try_from(lag).unwrap_or(0));
            }
        }
    }

    /// Holds one lease to the end of the run.
    async fn hold(self, ttl: Duration) -> Result<Done, dlm_client::Error> {
        let asked = now();
        let guard = self.client.lock(format!("{}/{}", self.name(0), self.number)).ttl(ttl).await?;
        let took = asked.elapsed();
        self.stage.over().await;
        let lost = guard.state() != GuardState::Held;
        if !lost {
            guard.release().await?;
        }
        let acquire_micros = vec![u32::try_from(took.as_micros()).unwrap_or(u32::MAX)];
        Ok(Done { cycles: u64::from(!lost), lost: u64::from(lost), acquire_micros })
    }
}

/// Acquires and releases so often that there are `rate` events a second.
async fn make_events(client: Client, rate: u64, stage: Arc<Stage>) -> Result<Done, dlm_client::Error> {
    let mut every =
        tokio::time::interval(Duration::from_secs(2) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX));
    while !stage.is(OVER) {
        every.tick().await;
        client.lock("load/events").await?.release().await?;
    }
    Ok(Done::default())
}

/// The server's clock, on this machine.
#[expect(clippy::disallowed_methods, reason = "the instants of events are held against it")]
fn wall_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the workers are joined at the end of the run")]
fn spawn<F: Future<Output: Send + 'static> + Send + 'static>(
    future: F,
) -> tokio::task::JoinHandle<F::Output> {
    tokio::spawn(future)
}

#[expect(clippy::disallowed_methods, reason = "time on this machine is what is measured")]
fn now() -> Instant {
    Instant::now()
}
