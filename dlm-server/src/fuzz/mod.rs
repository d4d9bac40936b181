//! Fuzz targets: what peers send that are not authenticated, or not trusted.
//!
//! Each target is a function of bytes that panics if something does not hold. `fuzz/`
//! builds them for cargo-fuzz, which looks for such bytes; the tests here replay its corpus.
//! The targets of decoders are beside them:
//!
//! - `auth/fuzz`: auth files, JWTs, prefixes; how the input of a target edits what is valid
//! - `http/fuzz`: paths, queries, hosts
//! - `service/fuzz`: lease ids, tickets
//! - `socket/fuzz`: frames of a session
//! - `log/fuzz`: cursors
//!
//! And here:
//!
//! - `connection`: whatever arrives at a server, from its first byte
//! - `responses`: parses what the server sends

mod connection;
mod responses;
#[cfg(test)]
mod tests;

pub use connection::FuzzedServer;

pub use crate::auth::fuzz::{auth_file, jwt, prefix};
pub use crate::http::fuzz::names;
pub use crate::log::fuzz::cursor;
pub use crate::service::fuzz::{lease_id, ticket};
pub use crate::socket::fuzz::frame;
