//! The event log in the server's terms: what a cursor names, and how an event looks
//! on the wire.
//!
//! - `cursor`: a position in the log of one database
//! - `decoder`: rows as events, without those that are unreadable
//! - `wire`: engine values and stored events in wire terms
//!
//! Errors are [`StoreError`](crate::store::StoreError)s: a row that can't be
//! decoded is a damaged database.

mod cursor;
mod decoder;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod wire;

pub(crate) use cursor::{Cursor, CursorError};
pub(crate) use decoder::LogDecoder;
use wire::wire_event;
