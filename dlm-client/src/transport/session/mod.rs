//! The session: one WebSocket for all operations.
//!
//! Operations that are submitted together are sent in one write, and replies that
//! arrive together are read together. The socket owns no state: when it breaks,
//! operations without a reply fail as attempts, and their callers retry them with
//! the same keys.
//!
//! - `reconnect`: keeps a socket open, with failover and backoff
//! - `connection`: one socket, from its opening to its end
//! - `liveness`: whether the server still responds
//! - `disconnect`: why a socket ended
//! - `handle`: how the rest of the client submits operations
//! - `recipient`: who gets the result of an operation
//! - `submitted`: operations on their way to the socket
//! - `link`: what callers share with the task of a socket
//! - `operations`: the operations that were sent and have no reply
//! - `event`: what the session reports on its own

mod connection;
mod disconnect;
mod event;
mod handle;
mod link;
mod liveness;
mod operations;
mod recipient;
mod reconnect;
mod submitted;

pub(crate) use event::SessionEvent;
pub(crate) use handle::SessionHandle;
pub(crate) use recipient::{Continuation, PendingReply, SessionResult};
pub(crate) use reconnect::run;
