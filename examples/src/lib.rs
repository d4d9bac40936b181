//! What the example programs share: a storage that refuses stale holders.
//!
//! The programs are in `src/bin`, one scenario a file.

mod ledger;

pub use ledger::{Fenced, Ledger, Refused};
