//! What the workers do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dlm_client::{Client, EventItem, GuardState};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::Workload;
use crate::run::{PhaseWatch, RunPhase};

/// Long enough that no lease is lost on a slow machine.
const TTL: Duration = Duration::from_secs(30);

/// What one worker did during the measurement.
#[derive(Debug, Default)]
pub(crate) struct WorkerStats {
    pub(crate) cycles: u64,
    pub(crate) lost: u64,
    pub(crate) acquire_micros: Vec<u32>,
}

pub(crate) struct LoadWorker {
    pub(crate) client: Client,
    pub(crate) number: usize,
    pub(crate) workload: Workload,
    pub(crate) phase: Arc<PhaseWatch>,
    pub(crate) run_id: u32,
}

impl LoadWorker {
    pub(crate) async fn run(self) -> Result<WorkerStats, dlm_client::Error> {
        match self.workload {
            Workload::Cycle { .. } | Workload::Handoff => self.cycle().await,
            Workload::Hold { ttl_ms } => self.hold(Duration::from_millis(ttl_ms)).await,
            Workload::Follow { .. } => self.follow().await,
            // These need no client, so no worker runs.
            Workload::Sessions => Ok(WorkerStats::default()),
        }
    }

    /// Acquires and releases until the end of the run.
    async fn cycle(self) -> Result<WorkerStats, dlm_client::Error> {
        let mut stats = WorkerStats::default();
        let mut round = 0_usize;
        while !self.phase.is(RunPhase::Finished) {
            let name = self.lock_name(round);
            round += 1;
            let started = now();
            let guard = self.client.lock(name).ttl(TTL).await?;
            let latency = started.elapsed();
            let lost = guard.state() != GuardState::Held;
            guard.release().await?;
            if self.phase.is(RunPhase::Measuring) {
                self.phase.cycle();
                stats.cycles += 1;
                stats.lost += u64::from(lost);
                stats.acquire_micros.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
            }
        }
        Ok(stats)
    }

    /// Holds one lease until the end of the run.
    async fn hold(self, ttl: Duration) -> Result<WorkerStats, dlm_client::Error> {
        let started = now();
        let guard = self.client.lock(format!("{}/{}", self.lock_name(0), self.number)).ttl(ttl).await?;
        let latency = started.elapsed();
        self.phase.finished().await;
        let lost = guard.state() != GuardState::Held;
        if !lost {
            guard.release().await?;
        }
        let acquire_micros = vec![u32::try_from(latency.as_micros()).unwrap_or(u32::MAX)];
        Ok(WorkerStats { cycles: u64::from(!lost), lost: u64::from(lost), acquire_micros })
    }

    /// Receives all events until the end of the run.
    async fn follow(self) -> Result<WorkerStats, dlm_client::Error> {
        let mut events = self.client.events();
        let mut stats = WorkerStats::default();
        loop {
            let item = tokio::select! {
                item = events.next() => item,
                () = self.phase.finished() => return Ok(stats),
            };
            let Some(item) = item else { return Ok(stats) };
            if let EventItem::Event(event) = item?
                && self.phase.is(RunPhase::Measuring)
            {
                let lag = wall_clock_micros().saturating_sub(event.at.as_micros());
                self.phase.cycle();
                stats.cycles += 1;
                stats.acquire_micros.push(u32::try_from(lag).unwrap_or(0));
            }
        }
    }

    fn lock_name(&self, round: usize) -> String {
        let Self { run_id, number, .. } = self;
        match self.workload {
            Workload::Cycle { new_names: true, .. } => format!("load/{run_id}/{number}/{round}"),
            Workload::Cycle { keys, .. } => format!("load/{run_id}/{number}/{}", round % keys.max(1)),
            Workload::Handoff | Workload::Hold { .. } | Workload::Follow { .. } | Workload::Sessions => {
                format!("load/{run_id}")
            }
        }
    }
}

/// How many cycles may be in flight to generate events.
const MAX_CYCLES: usize = 256;

/// Generates `rate` events per second: each cycle is two of them. A cycle does not wait for
/// the one before, so that the rate is kept when the server is slow.
pub(crate) async fn generate_events(
    client: Client,
    rate: u64,
    phase: Arc<PhaseWatch>,
) -> Result<WorkerStats, dlm_client::Error> {
    let mut interval =
        tokio::time::interval(Duration::from_secs(2) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX));
    let cycle = |number: usize| {
        let name = format!("load/events/{}", number % MAX_CYCLES);
        let client = client.clone();
        async move { client.lock(name).await?.release().await }
    };
    let mut cycles = FuturesUnordered::new();
    let mut number = 0;
    while !phase.is(RunPhase::Finished) {
        tokio::select! {
            _ = interval.tick(), if cycles.len() < MAX_CYCLES => {
                cycles.push(cycle(number));
                number += 1;
            }
            Some(ended) = cycles.next() => drop(ended?),
        }
    }
    while let Some(ended) = cycles.next().await {
        ended?;
    }
    Ok(WorkerStats::default())
}

/// The wall clock of this machine, which the started servers share.
#[expect(clippy::disallowed_methods, reason = "compared with the timestamps of events")]
pub(crate) fn wall_clock_micros() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "measures elapsed time on this machine")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
