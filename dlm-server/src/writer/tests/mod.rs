//! Tests of a writer on a store that fails as its script says.
//!
//! - `scripted_store`: the store; `harness`: a writer without a thread
//! - `faults`: what callers learn of each fault, by example
//! - `handover`: what subscribers receive
//! - `history`: the events of one resource
//! - `inherited`: claims from before authentication
//! - `lookups`: how often claims are looked up
//! - `quotas`: what operations count for when their callers have a result
//! - `fuzz`: random jobs and faults, compared with what is stored in the end

mod faults;
mod fuzz;
mod handover;
mod harness;
mod history;
mod inherited;
mod lookups;
mod quotas;
mod scripted_store;
