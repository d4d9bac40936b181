//! Shared parts of the example programs. The programs are in `src/bin`, one
//! scenario per file.
//!
//! - `ledger`: a storage that refuses the writes of stale holders
//! - `terminal`: output and signals
//! - `text_files`: finds text files and counts their words

mod ledger;
mod terminal;
mod text_files;

use std::path::PathBuf;

pub use ledger::{FencedResource, Ledger, WriteRefused};
pub use terminal::{print_line, stop_requested};
pub use text_files::{count_words, text_files};

/// An unused path for a database of this program, in the temporary directory.
#[must_use]
pub fn temporary_database(program: &str) -> PathBuf {
    let directory = std::env::temp_dir();
    let paths =
        (1_u32..).map(|number| directory.join(format!("{program}-{}-{number}.db", std::process::id())));
    paths.into_iter().find(|path| !path.exists()).unwrap_or_default()
}
