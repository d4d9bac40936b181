//! The journal: one row for each committed batch, from which the tables follow.
//!
//! - `codec`: what a row of the journal contains
//! - `newest_key`: which keys the tables can't have
//! - `tail`: what the journal contains and the tables do not have yet; `staged`: what an open
//!   transaction adds to it
//! - `pace`: when the tables are brought up to date
//! - `apply`: how; `replay`: what an earlier run has left
//! - `overlay`: what readers see of it
//!
//! **Architecture Invariant:** a row of the journal is deleted in the transaction after which
//! the tables have everything in it, and in the log.

pub(super) mod apply;
pub(super) mod codec;
pub(super) mod newest_key;
pub(super) mod overlay;
pub(super) mod pace;
pub(super) mod replay;
pub(super) mod staged;
pub(super) mod tail;

pub(in crate::store) use codec::decode_events;
pub(super) use codec::{Encoder, events_before, events_of};

diesel::table! {
    journal (position) {
        position -> BigInt,
        at -> BigInt,
        upto -> BigInt,
        data -> Binary,
    }
}
