//! What the example programs share: a storage that refuses stale holders.
//!
//! The programs are in `src/bin`, one scenario a file.

mod ledger;

use std::path::PathBuf;

pub use ledger::{Fenced, Ledger, Refused};

/// Where a new ledger of this program may be: among the temporary files.
#[must_use]
pub fn new_file(program: &str) -> PathBuf {
    let folder = std::env::temp_dir();
    let names = (1_u32..).map(|number| folder.join(format!("{program}-{}-{number}.db", std::process::id())));
    names.into_iter().find(|path| !path.exists()).unwrap_or_default()
}
