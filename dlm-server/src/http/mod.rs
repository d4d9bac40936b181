//! The HTTP transport. It translates between HTTP and the service, and nothing
//! else.
//!
//! - `serve`: accepts connections, and ends them at the shutdown
//! - `listener`: what is listened on; `unix_socket`: a Unix socket and its file
//! - `places`: how many connections may be open
//! - `connection`: one connection; `stream`: its stream in layers, and their
//!   deadlines; `peer`: notices a client that is gone or done sending; `exchange`:
//!   whether a request is served
//! - `refusal`: the responses that hyper makes by itself
//! - `app`: one request, from its route to its response
//! - `caller`: the client of a connection; `proxies`: where its requests come from
//! - `authentication`: which requests have to be authenticated
//! - `hosts`: the host names and origins that are accepted; `host`: parses them
//! - `route`: the table of routes
//! - `request`: decodes path, query, headers and body into an operation; `read_query`: queries of reads
//! - `query`: query strings; `percent`: percent-encoded text
//! - `body`: reads a body within its limits
//! - `response`: outcomes and problems as responses; `reply_body`: their bodies;
//!   `request_id`: their ids
//! - `request_line`: what the audit log has of a request
//! - `tickets`: what authenticates an upgrade without headers
//! - `upgrade`: requests that become WebSockets
//! - `ui`: the embedded pages
//! - `openapi`: the published description of the API

mod app;
mod authentication;
mod body;
mod caller;
mod connection;
mod exchange;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod host;
mod hosts;
mod listener;
mod openapi;
mod peer;
mod percent;
mod places;
mod proxies;
mod query;
mod read_query;
mod refusal;
mod reply_body;
mod request;
mod request_id;
mod request_line;
mod response;
mod route;
mod serve;
mod stream;
mod tickets;
mod ui;
mod unix_socket;
mod upgrade;

pub(crate) use app::App;
pub(crate) use hosts::Hosts;
pub(crate) use listener::{ListenSocket, Listener};
pub use openapi::document as openapi_document;
pub(crate) use places::ConnectionLimits;
pub(crate) use proxies::{Scheme, TrustedProxies};
pub(crate) use serve::{ServeOptions, serve};
pub(crate) use unix_socket::BoundUnixSocket;
