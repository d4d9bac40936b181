//! All measurements of a run: in each round, every system in every scenario. So what
//! slows the machine down for a while concerns all systems.

use std::time::Duration;

use crate::BoxError;
use crate::measure::{Measurement, measure};
use crate::scenario::{Locks, Scenario};
use crate::systems::Systems;

const SCENARIOS: [Scenario; 8] = [
    Scenario::new(Locks::Own, 1),
    Scenario::new(Locks::Own, 16),
    Scenario::new(Locks::Own, 64),
    Scenario::new(Locks::Own, 256),
    Scenario::new(Locks::New, 64),
    Scenario::new(Locks::Shared, 2),
    Scenario::new(Locks::Shared, 16),
    Scenario::new(Locks::Shared, 128),
];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Durations {
    pub(crate) warm_up: Duration,
    pub(crate) measurement: Duration,
}

/// The measurements of one system in one scenario, one for each round.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) scenario: Scenario,
    pub(crate) system: &'static str,
    pub(crate) rounds: Vec<Measurement>,
}

/// The scenarios with these names, or all.
pub(crate) fn scenarios(names: &[String]) -> Result<Vec<Scenario>, BoxError> {
    let known = |name: &&String| SCENARIOS.iter().any(|scenario| scenario.name() == **name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name()).collect();
        return Err(format!("no scenario is named {unknown}; there are {}", all.join(", ")).into());
    }
    let chosen = |scenario: &Scenario| names.is_empty() || names.contains(&scenario.name());
    Ok(SCENARIOS.into_iter().filter(chosen).collect())
}

/// Measures.
///
/// # Errors
///
/// Fails if a system does: a figure of a system that loses locks says nothing.
pub(crate) async fn run(
    systems: &Systems,
    scenarios: &[Scenario],
    rounds: u32,
    durations: Durations,
) -> Result<Vec<Measured>, BoxError> {
    let mut measured: Vec<Measured> = scenarios
        .iter()
        .flat_map(|scenario| {
            let systems = systems.running().filter(|system| system.takes(*scenario));
            systems.map(|system| Measured { scenario: *scenario, system: system.name(), rounds: Vec::new() })
        })
        .collect();
    for round in 1..=rounds {
        for measured in &mut measured {
            let system = systems.get(measured.system).ok_or("a system is gone")?;
            let result = measure(system, measured.scenario, durations).await;
            let result = result
                .map_err(|error| format!("{} in {}: {error}", measured.system, measured.scenario.name()))?;
            eprintln!(
                "round {round}: {:<12} {:<14} {:>8.0} cycles/s, acquire p50 {:.2} ms, p99 {:.2} ms",
                measured.scenario.name(),
                measured.system,
                result.cycles_per_second,
                result.p50_ms,
                result.p99_ms,
            );
            measured.rounds.push(result);
        }
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_that_does_not_exist_is_an_error() {
        assert_eq!(scenarios(&[]).unwrap().len(), SCENARIOS.len());
        assert_eq!(scenarios(&["cycle-64".into()]).unwrap(), [Scenario::new(Locks::Own, 64)]);
        assert!(
            scenarios(&["cycle-64".into(), "cycle-65".into()]).unwrap_err().to_string().contains("cycle-65")
        );
    }
}
