//! The journal: one row for each committed batch, from which the tables follow.
//!
//! - `codec`: what a row of the journal contains

mod codec;

pub(in crate::store) use codec::decode_events;
pub(super) use codec::{Encoder, events_of};

diesel::table! {
    journal (position) {
        position -> BigInt,
        at -> BigInt,
        upto -> BigInt,
        data -> Binary,
    }
}
