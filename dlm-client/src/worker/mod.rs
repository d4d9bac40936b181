//! The client thread: renewals, releases and connections, independent of the
//! application's own runtime.
//!
//! From the top down:
//!
//! - `run`: the thread and its event loop
//! - `release`: ends guards and releases their leases, with retries
//! - `renewals`: renews watched leases and detects losses
//! - `schedule`: the watched guards and their next wake-up
//! - `renewal_batch`: one request that renews many leases
//! - `ended_leases`: leases that ended before their guard was watched
//! - `handle`, `command`: how clients and guards reach the thread
//! - `context`: what all tasks on the thread share
//! - `thread`: whether the thread was started

mod command;
mod context;
mod ended_leases;
mod handle;
mod release;
mod renewal_batch;
mod renewals;
mod run;
mod schedule;
mod thread;

pub(crate) use command::WorkerCommand;
pub(crate) use context::WorkerContext;
pub(crate) use handle::Handle;
pub(crate) use release::release_stillborn;
