//! Requests to the servers and their replies.
//!
//! From the top down:
//!
//! - `route`: the [`Transport`], which picks the server and the transport
//! - `call`: the operations, with their session and HTTP forms
//! - `session`: one WebSocket for all operations
//! - `servers`: the servers, and failover between them
//! - `socket`: opens WebSockets
//! - `http`, `pool`, `response`: HTTP requests, connections and responses
//! - `address`, `kind`: server addresses and the kinds of transport

mod address;
mod call;
mod http;
mod kind;
mod pool;
mod response;
mod route;
mod servers;
mod session;
mod socket;

pub(crate) use address::{ServerAddress, encode};
pub(crate) use call::Acquired;
pub use kind::TransportKind;
pub(crate) use route::Transport;
pub(crate) use session::SessionEvent;
pub(crate) use socket::{UpgradeError, WebSocketConnection, open as open_websocket};
