//! The lock rules, tested by properties.
//!
//! - `script`: random sequences of what clients, operators and fate do
//! - `disk`: plays the store: batches, commits, failures, restarts
//! - `model`: the rules once more, naive and written from the contract
//! - `answers`: what both say, in words that they share
//! - `agreement`: engine and model agree on every answer, event and state
//! - `invariants`: I1 to I6 on what was observed, without the model
//! - `faults`: known faults are put back; the invariants find each of them
//! - `examples`: the subtle cases, one by one

mod agreement;
mod answers;
mod disk;
mod examples;
mod faults;
mod invariants;
mod model;
mod script;
