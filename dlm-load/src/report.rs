//! The results of a run, as text and as JSON.

use std::fmt;

use serde::Serialize;

/// The results of a run. The field names are the keys of the JSON report.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) load: &'static str,
    pub(crate) workers: usize,
    pub(crate) clients: usize,
    /// Whether the servers have an auth file.
    pub(crate) auth: bool,
    pub(crate) tls: bool,
    pub(crate) seconds: f64,
    /// Acquires with their releases; for `hold`, leases held until the end; for
    /// `follow`, received events; for `sessions`, sessions open until the end.
    pub(crate) cycles: u64,
    pub(crate) cycles_per_second: f64,
    pub(crate) acquire_ms: Latency,
    /// Cycles of the slowest and the fastest worker.
    pub(crate) worker_min: u64,
    pub(crate) worker_max: u64,
    /// Guards that were lost; for `sessions`, sessions that were closed.
    pub(crate) lost: u64,
    pub(crate) batches_per_second: f64,
    pub(crate) operations_per_batch: f64,
    /// Time spent in transactions per second, summed over all writers.
    pub(crate) writer_load: f64,
    /// Mean duration of a commit.
    pub(crate) commit_ms: f64,
    /// Growth of the servers' resident memory since before the first connection.
    pub(crate) server_memory_kb: Option<u64>,
    /// CPU time per second: 1.0 is one core fully used.
    pub(crate) server_processors: Option<f64>,
    pub(crate) load_processors: Option<f64>,
    /// The parts of the measurement, if it has several.
    pub(crate) windows: Vec<Window>,
}

/// A part of the measurement, and what there was at its end.
#[derive(Debug, Serialize)]
pub(crate) struct Window {
    /// When it ended, since the measurement began.
    pub(crate) seconds: f64,
    pub(crate) cycles_per_second: f64,
    /// The servers' resident memory.
    pub(crate) server_memory_kb: Option<u64>,
    /// The size of the SQLite database, with its write-ahead log.
    pub(crate) database_kb: Option<u64>,
}

/// Percentiles of acquire latency, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Latency {
    /// Computes the percentiles of latencies in microseconds, in any order.
    pub(crate) fn of(mut micros: Vec<u32>) -> Self {
        micros.sort_unstable();
        // Nearest rank: the smallest value with this fraction of all at or below it.
        let at = |fraction: f64| {
            let rank = (fraction * micros.len() as f64).ceil() as usize;
            micros.get(rank.saturating_sub(1)).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
        };
        Self { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p99, max } = self.acquire_ms;
        writeln!(
            f,
            "{}: {} workers, {} clients, {:.0} s",
            self.load, self.workers, self.clients, self.seconds
        )?;
        writeln!(f, "  cycles/s        {:>10.0}", self.cycles_per_second)?;
        writeln!(f, "  acquire ms      p50 {p50:.2}, p99 {p99:.2}, max {max:.2}")?;
        writeln!(
            f,
            "  per worker      {} to {} cycles; {} lost",
            self.worker_min, self.worker_max, self.lost
        )?;
        writeln!(
            f,
            "  writer          {:.0} batches/s of {:.1} operations, {:.0} % busy, commit {:.2} ms",
            self.batches_per_second,
            self.operations_per_batch,
            self.writer_load * 100.0,
            self.commit_ms
        )?;
        let cores = |used: Option<f64>| used.map_or_else(|| "?".into(), |used| format!("{used:.2}"));
        writeln!(
            f,
            "  CPU cores       server {}, load generator {}",
            cores(self.server_processors),
            cores(self.load_processors)
        )?;
        let memory = self.server_memory_kb.map_or_else(
            || "?".into(),
            |kb| format!("+{kb} kB, {:.1} kB per worker", kb as f64 / self.workers.max(1) as f64),
        );
        writeln!(f, "  server memory   {memory}")?;
        let number = |number: Option<u64>| number.map_or_else(|| "?".into(), |number| number.to_string());
        for window in &self.windows {
            writeln!(
                f,
                "  until {:>6.0} s  {:.0} cycles/s, server memory {} kB, database {} kB",
                window.seconds,
                window.cycles_per_second,
                number(window.server_memory_kb),
                number(window.database_kb)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let latency = Latency::of((1..=1000).rev().map(|ms| ms * 1000).collect());
        assert_eq!(latency, Latency { p50: 500.0, p99: 990.0, max: 1000.0 });
        assert_eq!(Latency::of(vec![7000]), Latency { p50: 7.0, p99: 7.0, max: 7.0 });
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }
}
