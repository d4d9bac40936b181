//! A blocking Postgres connection for diesel over libpq.
//!
//! diesel's own `PgConnection` waits for a reply without a limit, discards
//! notices, and reports errors without their SQLSTATE. A lock service needs all
//! three: a COMMIT that hangs must not hang its callers, a COMMIT that a
//! cancellation turned into "committed locally, but might not have been
//! replicated" reports that in a notice only, and errors are classified by
//! SQLSTATE, not by their text. [`PqConnection`] adds these and is otherwise a
//! diesel connection like any other.
//!
//! # Layout
//!
//! - `raw`, `result`: libpq's handles, the only `unsafe` code of the workspace
//! - `connection`: [`PqConnection`], diesel's traits, prepared statements
//! - `parameters`: the parameters of a request, as libpq takes them
//! - `row`: rows and fields of a result
//! - `error`: database errors with their SQLSTATE
#![deny(missing_docs)]

mod connection;
mod error;
mod parameters;
mod raw;
mod result;
mod row;

pub use connection::PqConnection;
pub use error::{NO_REPLY, sqlstate};
pub use raw::{Notice, Notification, is_valid_conninfo};
