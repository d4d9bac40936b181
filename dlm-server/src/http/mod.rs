//! The HTTP transport. It translates between HTTP and the service, and nothing
//! else.
//!
//! - `serve`: connections, their limits and their shutdown
//! - `peer`: notices a client that is gone or done sending
//! - `app`: one request, from its route to its response
//! - `hosts`: the host names and origins that are accepted
//! - `route`: the table of routes
//! - `request`: decodes path, query, headers and body into an operation
//! - `query`: query strings
//! - `body`: reads a body within its limits
//! - `response`: outcomes and problems as responses
//! - `upgrade`: requests that become WebSockets
//! - `ui`: the embedded pages
//! - `openapi`: the published description of the API

mod app;
mod body;
mod hosts;
mod openapi;
mod peer;
mod query;
mod request;
mod response;
mod route;
mod serve;
mod ui;
mod upgrade;

pub(crate) use app::App;
pub(crate) use hosts::Hosts;
pub use openapi::document as openapi_document;
pub(crate) use serve::serve;
