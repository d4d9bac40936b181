//! The server of dlm, as a library and as the binary `dlm-server`.
//!
//! A request goes from a transport to the service, from there to the writer,
//! which asks the lock rules (`dlm-engine`) and has the store make the answer
//! last before anyone hears of it.
//!
//! # Layout
//!
//! - `server`, `logging`: a whole server; `main.rs` is the program
//! - `http`: the transport; `openapi`: what it publishes of itself; `socket`: the
//!   WebSockets; `problem`: refusals as problems, for both
//! - `service`: the one place where operations are done
//! - `writer`: the batching writer, one thread and one transaction
//! - `store`: where the state lasts, one module a database
//! - `members`: the replicas that share the store
//! - `sweeper`: ends what is overdue; `forgetter`: forgets old keys;
//!   `trimmer`: forgets the oldest events
//! - `feed`: the live end of the event log; `ended`: who is told at once that a
//!   lease has ended
//! - `clock`: the deciding clock; `metrics`: what is counted

mod clock;
mod ended;
mod feed;
mod forgetter;
mod http;
mod logging;
mod members;
mod metrics;
mod openapi;
mod problem;
mod server;
mod service;
mod socket;
mod store;
mod sweeper;
mod trimmer;
mod writer;

pub use logging::{LogFormat, start as start_logging};
pub use metrics::Metrics;
pub use openapi::document as openapi;
pub use server::{Server, ServerBuilder, StartError};
pub use service::{
    Error, EventsQuery, ListQuery, OpenError, Operation, Outcome, Principal, Restored, Service,
    ServiceOptions, restore,
};
