//! The medians of all rounds, and the ratios of dlm to what is compared with it.

use std::fmt::Write;

use serde::Serialize;

use crate::machine::Machine;
use crate::measure::Measurement;
use crate::plan::Measured;
use crate::systems::{Missing, Systems};

/// Which system each dlm is compared with.
const COMPARED: [(&str, &[&str]); 2] = [
    ("dlm-sqlite", &["redis", "rslock", "zookeeper", "etcd"]),
    ("dlm-postgres", &["lock-table", "rslock", "zookeeper", "etcd"]),
];

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    systems: Vec<Version>,
    not_measured: Vec<Missing>,
    results: Vec<Result>,
    ratios: Vec<Ratio>,
}

#[derive(Debug, Serialize)]
struct Version {
    system: &'static str,
    version: String,
}

#[derive(Debug, Serialize)]
struct Result {
    scenario: String,
    system: &'static str,
    /// Of each figure, the median of the rounds.
    median: Measurement,
    rounds: Vec<Measurement>,
}

/// Ratios of dlm to another system, of measurements of the same round.
#[derive(Debug, Serialize)]
struct Ratio {
    scenario: String,
    dlm: &'static str,
    other: &'static str,
    cycles_per_second: Spread,
    p50: Spread,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    /// Of at least one value.
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Self { min: values[0], median, max: values[values.len() - 1] }
    }
}

impl Report {
    pub(crate) fn new(machine: Machine, systems: &Systems, measured: Vec<Measured>) -> Self {
        let ratios = COMPARED.into_iter().flat_map(|(dlm, others)| {
            let of_dlm = measured.iter().filter(move |measured| measured.system == dlm);
            of_dlm.flat_map(|dlm| {
                let same =
                    |other: &&Measured| other.scenario == dlm.scenario && others.contains(&other.system);
                measured.iter().filter(same).filter_map(|other| ratio(dlm, other))
            })
        });
        let ratios = ratios.collect();
        let versions = systems
            .running()
            .map(|system| Version { system: system.name(), version: system.version().to_owned() });
        Self {
            machine,
            systems: versions.collect(),
            not_measured: systems.missing().to_vec(),
            results: measured.into_iter().map(result).collect(),
            ratios,
        }
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        self.write_markdown(&mut text).ok();
        text
    }

    fn write_markdown(&self, text: &mut String) -> std::fmt::Result {
        let Machine { processors, processor, kernel, sync_micros } = &self.machine;
        writeln!(
            text,
            "{processors} processors ({processor}), Linux {kernel}, sync of 4 KiB: {sync_micros:.0} µs\n"
        )?;
        for Version { system, version } in &self.systems {
            writeln!(text, "- {system}: {version}")?;
        }
        for Missing { system, why } in &self.not_measured {
            writeln!(text, "- {system}: not measured, {why}")?;
        }
        writeln!(text, "\n| Scenario | System | Cycles/s | p50 ms | p99 ms | Slowest to fastest worker |")?;
        writeln!(text, "|---|---|---|---|---|---|")?;
        for Result { scenario, system, median, .. } in &self.results {
            let Measurement { cycles_per_second, p50_ms, p99_ms, worker_min, worker_max, .. } = median;
            let fairness = *worker_min as f64 / (*worker_max).max(1) as f64;
            writeln!(
                text,
                "| {scenario} | {system} | {cycles_per_second:.0} | {p50_ms:.2} | {p99_ms:.2} | {fairness:.2} |"
            )?;
        }
        writeln!(
            text,
            "\n| Scenario | Ratio | Cycles/s (least to most) | p50 of acquire |\n|---|---|---|---|"
        )?;
        for Ratio { scenario, dlm, other, cycles_per_second, p50 } in &self.ratios {
            let Spread { min, median, max } = cycles_per_second;
            writeln!(
                text,
                "| {scenario} | {dlm} / {other} | {median:.2} ({min:.2} to {max:.2}) | {:.2} |",
                p50.median
            )?;
        }
        Ok(())
    }
}

fn result(measured: Measured) -> Result {
    let median =
        |figure: fn(&Measurement) -> f64| Spread::of(measured.rounds.iter().map(figure).collect()).median;
    Result {
        scenario: measured.scenario.name(),
        system: measured.system,
        median: Measurement {
            cycles_per_second: median(|round| round.cycles_per_second),
            p50_ms: median(|round| round.p50_ms),
            p99_ms: median(|round| round.p99_ms),
            max_ms: median(|round| round.max_ms),
            worker_min: median(|round| round.worker_min as f64) as u64,
            worker_max: median(|round| round.worker_max as f64) as u64,
        },
        rounds: measured.rounds,
    }
}

/// `None` if there is no round in which both did something.
fn ratio(dlm: &Measured, other: &Measured) -> Option<Ratio> {
    let rounds = dlm.rounds.iter().zip(&other.rounds);
    let rounds: Vec<_> = rounds.filter(|(dlm, other)| dlm.p50_ms.min(other.p50_ms) > 0.0).collect();
    if rounds.is_empty() {
        return None;
    }
    let spread = |figure: fn(&Measurement) -> f64| {
        Spread::of(rounds.iter().map(|(dlm, other)| figure(dlm) / figure(other)).collect())
    };
    Some(Ratio {
        scenario: dlm.scenario.name(),
        dlm: dlm.system,
        other: other.system,
        cycles_per_second: spread(|round| round.cycles_per_second),
        p50: spread(|round| round.p50_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Locks, Scenario};

    fn measured(system: &'static str, cycles: &[f64]) -> Measured {
        let round = |cycles: &f64| Measurement {
            cycles_per_second: *cycles,
            p50_ms: if *cycles > 0.0 { 1.0 } else { 0.0 },
            p99_ms: 2.0,
            max_ms: 3.0,
            worker_min: 1,
            worker_max: 2,
        };
        Measured {
            scenario: Scenario::new(Locks::Own, 1),
            system,
            rounds: cycles.iter().map(round).collect(),
        }
    }

    #[test]
    fn a_ratio_compares_measurements_of_the_same_round() {
        let redis = measured("redis", &[10.0, 80.0, 100.0, 0.0]);
        let compared = ratio(&measured("dlm-sqlite", &[10.0, 40.0, 90.0, 50.0]), &redis).unwrap();
        assert_eq!(compared.cycles_per_second, Spread { min: 0.5, median: 0.9, max: 1.0 });
        assert!(ratio(&measured("dlm-sqlite", &[0.0; 4]), &redis).is_none());
    }

    #[test]
    fn a_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]), Spread { min: 1.0, median: 2.5, max: 4.0 });
        assert_eq!(result(measured("redis", &[3.0, 1.0, 2.0])).median.cycles_per_second, 2.0);
    }
}
