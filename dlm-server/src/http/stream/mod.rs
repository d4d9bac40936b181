//! The stream of a connection, in layers from the inside out:
//!
//! - `socket`: TCP, or a Unix socket
//! - `shared`: that stream, which can be watched while it is used, and its stalls
//! - `transport`: that stream, or TLS over it
//! - `http1`: the heads of HTTP/1 requests and their deadlines; what hyper itself
//!   responds is rewritten as a problem
//! - `timeout`: a timeout that runs while something is awaited

mod http1;
mod shared;
mod socket;
mod timeout;
mod transport;

pub(super) use http1::{HeadDeadlines, Http1Stream};
pub(super) use shared::{Connection, SharedStream};
pub(super) use socket::SocketStream;
pub(super) use transport::Transport;
