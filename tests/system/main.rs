//! dlm from outside: the real server binary on a database of its own, over
//! HTTP and through the client.
//!
//! - `harness`: servers, an HTTP client, a proxy that fails, conditions
//! - `behaviours`: the cases that must hold, each named after its number
//! - `contract`: the wire, field by field
//! - `crash`: the server killed again and again under load

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod behaviours;
mod contract;
mod crash;
mod harness;
