//! Requests to the servers and their replies.
//!
//! From the top down:
//!
//! - `route`: the [`Transport`], which picks the server and the transport; `reads`: what only
//!   HTTP has
//! - `call`: the operations, with their session and HTTP forms
//! - `submission`: calls whose first request is submitted without a task
//! - `session`: one WebSocket for all operations
//! - `servers`: the servers, and failover between them
//! - `socket`, `handshake`, `dial`: opens WebSockets and their connections
//! - `http`, `pool`, `response`: HTTP requests, connections and responses
//! - `tls`: which certificates are trusted, and which one the client has
//! - `answer`: a reply, and when its request was sent
//! - `options`, `address`, `kind`: how to connect, and where

mod address;
mod answer;
mod call;
mod dial;
mod handshake;
mod http;
mod kind;
mod options;
mod pool;
mod reads;
mod response;
mod route;
mod servers;
mod session;
mod socket;
mod submission;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

pub(crate) use address::{ServerAddress, encode};
pub(crate) use answer::Answer;
pub(crate) use call::{AcquireCall, Acquired};
pub use kind::TransportKind;
pub(crate) use options::TransportOptions;
pub(crate) use route::Transport;
pub(crate) use session::{Continuation, PendingReply, SessionEvent, SessionResult};
pub(crate) use socket::{OpenedSocket, UpgradeError, open as open_websocket};
pub(crate) use submission::FirstReply;
#[cfg(feature = "tls")]
pub(crate) use tls::ClientIdentity;
pub(crate) use tls::TlsOptions;
