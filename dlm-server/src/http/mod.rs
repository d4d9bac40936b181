//! The HTTP transport: it translates, and nothing else.
//!
//! - `route`: which address is which operation
//! - `request`: a request's path, query, headers and body as an operation
//! - `query`: query strings
//! - `body`: reading a body within its limits
//! - `reply`: outcomes and problems as responses
//! - `front`: one request from its route to its response
//! - `hosts`: for whom the server answers
//! - `ui`: the pages that are built in
//! - `upgrade`: requests that become WebSockets
//! - `serve`: connections, their limits, and how they end

mod body;
mod front;
mod hosts;
mod openapi;
mod query;
mod reply;
mod request;
mod route;
mod serve;
mod ui;
mod upgrade;

pub(crate) use front::Front;
pub(crate) use hosts::Hosts;
pub use openapi::document as openapi_document;
pub(crate) use serve::serve;
