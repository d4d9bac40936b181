//! The client's own thread: renewals, releases and the connections live here,
//! out of reach of what the application does to its own runtime.
//!
//! - `handle`: what clients and guards have of the thread
//! - `run`: its loop
//! - `renewals`: which lease is to be renewed when
//! - `ends`: leases that ended before their guard was known
//! - `batch`: one request that renews many
//! - `acquire`: the way of one lock from the first request to its guard
//! - `adopt`: a guard for a lease that is there already
//! - `release`: giving leases and places back, over failures

mod acquire;
mod adopt;
mod batch;
mod ends;
mod handle;
mod release;
mod renewals;
mod run;

pub(crate) use acquire::{Order, Patience};
pub(crate) use handle::{Handle, Shared};
