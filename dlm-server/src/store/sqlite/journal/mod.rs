//! The journal: one row for each committed batch, from which the tables follow.
//!
//! - `codec`: what a row of the journal contains

mod codec;
