//! One measurement of one system.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::sync::Barrier;

use crate::BoxError;
use crate::plan::Durations;
use crate::scenario::Scenario;
use crate::systems::{System, Worker};

/// A worker that gets no lock for this long has failed: the system lost it.
const CYCLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The result of one measurement.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measurement {
    pub(crate) cycles_per_second: f64,
    /// Latency of an acquire, in milliseconds.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Cycles of the worker with the fewest and of the one with the most.
    pub(crate) worker_min: u64,
    pub(crate) worker_max: u64,
}

struct WorkerResult {
    cycles: u64,
    micros: Histogram<u64>,
}

pub(crate) async fn measure(
    system: &dyn System,
    scenario: Scenario,
    durations: Durations,
) -> Result<Measurement, BoxError> {
    let workers = system.workers(scenario.workers).await?;
    let run = uuid::Uuid::new_v4().simple().to_string();
    let together = Arc::new(Barrier::new(workers.len()));
    let running: Vec<_> = workers
        .into_iter()
        .enumerate()
        .map(|(number, worker)| {
            let (run, together) = (run.clone(), Arc::clone(&together));
            spawn(async move {
                together.wait().await;
                cycle(worker, scenario, &run, number, durations).await
            })
        })
        .collect();
    let mut micros = histogram()?;
    let mut cycles = Vec::with_capacity(running.len());
    for worker in running {
        let result = worker.await??;
        micros.add(&result.micros)?;
        cycles.push(result.cycles);
    }
    let ms = |micros: u64| micros as f64 / 1000.0;
    Ok(Measurement {
        cycles_per_second: cycles.iter().sum::<u64>() as f64 / durations.measurement.as_secs_f64(),
        p50_ms: ms(micros.value_at_quantile(0.5)),
        p99_ms: ms(micros.value_at_quantile(0.99)),
        max_ms: ms(micros.max()),
        worker_min: cycles.iter().copied().min().unwrap_or(0),
        worker_max: cycles.iter().copied().max().unwrap_or(0),
    })
}

/// Acquires and releases until the end. Cycles that end within the measurement count.
async fn cycle(
    mut worker: Box<dyn Worker>,
    scenario: Scenario,
    run: &str,
    number: usize,
    durations: Durations,
) -> Result<WorkerResult, BoxError> {
    let mut result = WorkerResult { cycles: 0, micros: histogram()? };
    let begin = now() + durations.warm_up;
    let end = begin + durations.measurement;
    for round in 0.. {
        let lock = scenario.lock(run, number, round);
        let sent = now();
        let waited = tokio::time::timeout(CYCLE_TIMEOUT, worker.acquire(&lock)).await;
        waited.map_err(|_| format!("no lock within {CYCLE_TIMEOUT:?}"))??;
        let latency = sent.elapsed();
        worker.release(&lock).await?;
        let done = now();
        if done >= end {
            break;
        }
        if done >= begin {
            result.cycles += 1;
            result.micros.record(u64::try_from(latency.as_micros())?.max(1))?;
        }
    }
    Ok(result)
}

fn histogram() -> Result<Histogram<u64>, BoxError> {
    Ok(Histogram::new(3)?)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures elapsed time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the workers are joined at the end of the measurement")]
pub(crate) fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    tokio::spawn(future)
}
