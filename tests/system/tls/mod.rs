//! TLS, several listeners, and proxies in front of the server.
//!
//! - `protocols`: what is spoken over TLS, and what is not TLS
//! - `certificates`: files that can't be used, and their replacement while the server runs
//! - `client_certificates`: whom the server accepts a certificate from
//! - `hang_ups`: clients that hang up, stall or send nothing
//! - `listeners`: several addresses, and the one for probes
//! - `trusted_proxies`: whose word about a client's address is believed

mod certificates;
mod client_certificates;
mod hang_ups;
mod listeners;
mod protocols;
mod trusted_proxies;

use crate::harness::{Authority, ServerProcess, Sqlite};

type TestServer = ServerProcess<Sqlite>;

/// The names of a server's certificate.
const SERVER: &str = "IP:127.0.0.1,DNS:localhost";

/// A request of the status of a lock.
const GET_LOCKS: &[u8] = b"GET /v1/locks HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// A server with a certificate of this authority.
fn server(authority: &Authority, arguments: &[&str]) -> TestServer {
    let identity = authority.issue("server", SERVER);
    let server = TestServer::start_with(&[&identity.arguments(), arguments].concat());
    assert!(server.url().starts_with("https://127.0.0.1:"), "{}", server.url());
    server
}
