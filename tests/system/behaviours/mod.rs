//! The behaviours that must hold, each named after its number.

mod clocks;
mod events;
mod guards;
mod holder;
mod idempotency;
mod increasing;
mod locks;
mod loss;
mod overview;
mod persistence;
mod queue;
mod readers;
mod renewal;
mod restore;
mod sdk;
mod session;
mod tokens;
