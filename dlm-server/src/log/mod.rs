//! The event log in the server's terms: what a row holds, what a cursor names,
//! and how an event looks on the wire.
//!
//! - `cursor`: a position in the log of one database
//! - `event`: the events of a batch as they are stored
//! - `wire`: engine values and stored events in wire terms
//!
//! Errors are [`StoreError`](crate::store::StoreError)s: a row that can't be
//! decoded is a damaged database.

mod cursor;
mod event;
pub(crate) mod wire;

pub(crate) use cursor::{Cursor, CursorError};
pub(crate) use event::{LoggedEvent, decode, event_kind};
pub(crate) use wire::wire_event;
