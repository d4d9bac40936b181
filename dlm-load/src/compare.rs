//! What protection costs: the same load on an open server, on one that authenticates, and
//! on one that authenticates over TLS.

use std::fmt;

use serde::Serialize;

use crate::BoxError;
use crate::protection::Protection;
use crate::report::Report;
use crate::run::{RunConfig, run};
use crate::servers::{ServerOptions, Servers};

const VARIANTS: [(&str, Protection); 3] = [
    ("open", Protection { auth: false, tls: false }),
    ("auth", Protection { auth: true, tls: false }),
    ("auth, TLS", Protection { auth: true, tls: true }),
];

/// The results of each kind of server, the open one first. The field names are the keys of
/// the JSON report.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    load: &'static str,
    workers: usize,
    rounds: usize,
    variants: Vec<Variant>,
}

/// The results of one kind of server.
#[derive(Debug, Serialize)]
struct Variant {
    name: &'static str,
    /// The median of all rounds.
    cycles_per_second: f64,
    /// Cycles per second as a part of those of the open server in the same round.
    ratio: Spread,
    /// CPU time of the server per cycle, in microseconds; the median of all rounds.
    server_micros_per_cycle: Option<f64>,
    reports: Vec<Report>,
}

/// The distribution of the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

/// Runs the load on a new server of each kind, in every round. The order is another one in
/// each round, so that a machine that becomes slower or faster favors none of them.
pub(crate) async fn compare(
    config: &RunConfig,
    options: &ServerOptions<'_>,
    rounds: usize,
) -> Result<Comparison, BoxError> {
    let mut reports: [Vec<Report>; VARIANTS.len()] = Default::default();
    for round in 0..rounds {
        for position in 0..VARIANTS.len() {
            let index = (round + position) % VARIANTS.len();
            let (name, protection) = VARIANTS[index];
            let servers = Servers::start(&ServerOptions { protection, ..*options })?;
            let report = run(config, &servers).await?;
            eprintln!("round {}: {name}: {:.0} cycles/s", round + 1, report.cycles_per_second);
            reports[index].push(report);
        }
    }
    Ok(Comparison::of(config.workers, reports))
}

impl Comparison {
    /// Compares the reports of the variants, round by round.
    fn of(workers: usize, reports: [Vec<Report>; VARIANTS.len()]) -> Self {
        let open: Vec<f64> = reports[0].iter().map(|report| report.cycles_per_second).collect();
        let load = reports[0].first().map_or("", |report| report.load);
        let variants = VARIANTS.into_iter().zip(reports).map(|((name, _), reports)| {
            let cycles = reports.iter().map(|report| report.cycles_per_second);
            let ratios = cycles.clone().zip(&open).map(|(cycles, open)| cycles / open);
            let micros: Option<Vec<f64>> = reports
                .iter()
                .map(|report| Some(report.server_processors? * 1_000_000.0 / report.cycles_per_second))
                .collect();
            Variant {
                name,
                cycles_per_second: Spread::of(cycles.clone()).median,
                ratio: Spread::of(ratios),
                server_micros_per_cycle: micros.map(|micros| Spread::of(micros).median),
                reports,
            }
        });
        Self { load, workers, rounds: open.len(), variants: variants.collect() }
    }
}

impl Spread {
    /// The spread of these values; zero if there are none.
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        let last = values.len().saturating_sub(1);
        Self { min: at(0), median: f64::midpoint(at(last / 2), at(last.div_ceil(2))), max: at(last) }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} workers, {} rounds", self.load, self.workers, self.rounds)?;
        writeln!(
            f,
            "  {:<12} {:>10} {:>8} {:>14} {:>14}",
            "", "cycles/s", "ratio", "(min to max)", "CPU µs/cycle"
        )?;
        for variant in &self.variants {
            let Spread { min, median, max } = variant.ratio;
            let range = format!("{min:.3} to {max:.3}");
            let micros =
                variant.server_micros_per_cycle.map_or_else(|| "?".into(), |micros| format!("{micros:.1}"));
            writeln!(
                f,
                "  {:<12} {:>10.0} {median:>8.3} {range:>14} {micros:>14}",
                variant.name, variant.cycles_per_second
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_is_compared_with_the_open_server_of_that_round() {
        let round = |cycles_per_second, processors| Report {
            cycles_per_second,
            server_processors: Some(processors),
            ..Report::default()
        };
        // In the second round the machine is twice as fast.
        let comparison = Comparison::of(
            64,
            [
                vec![round(100.0, 0.5), round(200.0, 1.0)],
                vec![round(90.0, 0.9), round(190.0, 1.9)],
                vec![round(50.0, 1.0), round(120.0, 1.2)],
            ],
        );
        assert_eq!(comparison.rounds, 2);
        let [open, auth, tls] = &comparison.variants[..] else { panic!("three variants") };
        assert_eq!(open.ratio, Spread { min: 1.0, median: 1.0, max: 1.0 });
        assert_eq!(auth.ratio, Spread { min: 0.9, median: f64::midpoint(0.9, 0.95), max: 0.95 });
        assert_eq!((tls.ratio.min, tls.ratio.max), (0.5, 0.6));
        assert_eq!((open.cycles_per_second, auth.cycles_per_second), (150.0, 140.0));
        assert_eq!(open.server_micros_per_cycle, Some(5_000.0));
        assert_eq!(auth.server_micros_per_cycle, Some(10_000.0));
    }

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_one() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { min: 1.0, median: 2.0, max: 3.0 });
        assert_eq!(Spread::of([7.0]), Spread { min: 7.0, median: 7.0, max: 7.0 });
    }
}
