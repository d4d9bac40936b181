//! Property tests of the lock rules.
//!
//! - `script`: random scripts of operations, failed commits, time and restarts
//! - `simulation`: a simulated server with its store
//! - `store`: the state that the simulated store has committed
//! - `model`: a naive model of the rules, written from the wire contract
//! - `comparable`: results reduced to values that engine and model share
//! - `agreement`: engine and model agree on every reply, event and state
//! - `invariants`: I1 to I6 checked on what can be observed, without the model
//! - `schedule`: check instants, and that sweeps end everything
//! - `bounded`: the limit of transitions
//! - `grant_rounds`: who is granted next, beside what the rules grant
//! - `wait_graph`: the wait-for graph, beside a simulation
//! - `faults`: known faults are injected, and the properties find each of them
//! - `examples`: the subtle cases, one test each, driven by `scenario`

mod agreement;
mod bounded;
mod comparable;
mod examples;
mod faults;
mod grant_rounds;
mod invariants;
mod model;
mod scenario;
mod schedule;
mod script;
mod simulation;
mod store;
mod wait_graph;

/// Runs this many cases, times `DLM_TEST_SCALE` if that is set. `script/test-full` sets
/// it.
fn cases(usual: u32) -> proptest::test_runner::Config {
    let scale = std::env::var("DLM_TEST_SCALE").map_or(1, |scale| scale.parse().expect("a number"));
    proptest::test_runner::Config::with_cases(usual * scale)
}
