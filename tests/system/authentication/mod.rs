//! Who a caller is, and what it gets otherwise.
//!
//! - `requests`: every route with and without a token
//! - `certificates`: client certificates, and the listener for probes
//! - `raw_bytes`: peers that send slowly or ambiguously
//! - `reload`: the auth file is changed while a server runs
//! - `jwt`: tokens of an issuer
//! - `tickets`: what opens one WebSocket each
//! - `matrix`: every operation, principal, name, transport and kind of credential
//! - `commands`: `token new`, `auth check`, and the options of a server
//! - `sdk`: the client library: rights that are taken away, and what it may see
//! - `rotation`: certificate, tokens, keys and policy are replaced under load
//! - `secrets`: no secret is in a log line, an audit record, a reply to others, a metric or
//!   the database

mod certificates;
mod commands;
mod jwt;
mod matrix;
mod raw_bytes;
mod reload;
mod requests;
mod rotation;
mod sdk;
mod secrets;
mod tickets;

use crate::harness::{Api, AuthFile, ServerProcess, Sqlite, principal};

type TestServer = ServerProcess<Sqlite>;

fn server(file: &AuthFile) -> TestServer {
    TestServer::start_with(&["--auth-file", &file.path()])
}

fn api(server: &TestServer, token: &str) -> Api {
    server.api().with_token(token)
}

/// `api` may lock below `orders/`, `viewer` observe everything, and `ops` do everything.
fn three_principals() -> String {
    [
        principal("api", &["api-token"], &[("lock", "orders/")]),
        principal("viewer", &["viewer-token"], &[("observe", "")]),
        principal("ops", &["ops-token"], &[("admin", "")]),
    ]
    .concat()
}

/// The instant this many seconds from now, as TOML writes it.
fn in_seconds(seconds: i64) -> String {
    let micros = crate::harness::wall_clock_micros() + seconds * 1_000_000;
    dlm_protocol::Timestamp::from_micros(micros).to_string()
}
