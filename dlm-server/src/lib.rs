//! The server of dlm, as a library and as the binary `dlm-server`.
//!
//! A transport decodes a request and passes it to the service. The service hands
//! it to a writer. The writer applies the lock rules (`dlm-engine`), commits the
//! result to the store, and only then replies.
//!
//! # Layout
//!
//! A module depends only on modules below it. `script/check-layers` checks this.
//!
//! - `fuzz`: fuzz targets, which are compiled for tests and for cargo-fuzz
//! - `server`: a whole server; `main.rs` is the program
//! - `http`: the HTTP transport; `socket`: the WebSockets; `problem`: errors as
//!   problems, for both
//! - `service`: executes operations, for every transport
//! - `auth`: principals, and the policy that says what they may do
//! - `tasks`: background work, such as the sweeper
//! - `writer`: batching writers, each with one thread and one connection
//! - `feed`: the live end of the event log
//! - `log`: events and cursors of the event log
//! - `lease_watchers`: the sockets to notify when a lease ends, or is wanted back
//! - `release_requests`: the requests to let go of leases, in memory
//! - `membership`: the replicas that share the store
//! - `anonymous_claims`: whether there may be claims from before authentication
//! - `usage`: what each principal has and does, for the rules that limit it
//! - `store`: persistence, one module per database
//! - `background`: starts, supervises and joins threads
//! - `tls`: the certificate of the server and those of clients
//! - `webhook`: sends signed messages to a URL
//! - `reload`: asks for files to be read again
//! - `metrics`, `clock`: the server's metrics, and the deciding clock
//! - `audit`: the audit log; `logging`: the log; `line_queue`: writes the lines of both

mod anonymous_claims;
mod audit;
mod auth;
mod background;
mod clock;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod http;
mod lease_watchers;
mod line_queue;
mod log;
mod logging;
mod membership;
mod metrics;
mod problem;
#[cfg(test)]
mod random;
mod release_requests;
mod reload;
mod server;
mod service;
mod socket;
mod store;
mod tasks;
mod tls;
mod usage;
mod webhook;
mod writer;

pub use audit::{AuditDestination, AuditOptions};
pub use auth::{Principal, TokenRequest, check_auth_file, new_token};
pub use http::openapi_document as openapi;
pub use logging::{LogFormat, Logging, LoggingError, start as start_logging};
pub use metrics::Metrics;
pub use reload::Reload;
pub use server::{RunError, Server, ServerBuilder, StartError};
pub use service::{
    Error, EventsQuery, ListQuery, OpenError, Operation, Outcome, OwnerFilter, OwnersQuery, Restored,
    Service, ServiceOptions, ShowError, Shown, StateQuery, TroubleThresholds, restore, show,
};
pub use tls::TlsError;
pub use webhook::{WebhookError, WebhookOptions};
