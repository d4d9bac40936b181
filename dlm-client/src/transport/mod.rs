//! How operations get to a server and their answers back.
//!
//! - `route`, `kind`: which server, and which of the two ways
//! - `session`: one socket for everything
//! - `http`: a request each; `pool`, `answer`: its connections and answers
//! - `socket`: how WebSockets are opened
//! - `address`, `failure`: where servers are, and why an attempt failed

mod address;
mod answer;
mod failure;
mod http;
mod kind;
mod pool;
mod route;
mod session;
mod socket;

pub(crate) use address::{Address, segment};
pub(crate) use failure::Failure;
pub(crate) use http::Acquired;
pub use kind::TransportKind;
pub(crate) use route::Transport;
pub(crate) use session::{News, serve as serve_session};
pub(crate) use socket::{OpenError, Socket, open as open_socket};
