//! `dlm man`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::failure::Failure;

/// Writes `dlm.1`, and a page for each command, such as `dlm-run.1`.
pub(crate) fn man(directory: &Path) -> Result<ExitCode, Failure> {
    let failed = |error| Failure::other(format!("can't write to {}: {error}", directory.display()));
    fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), directory).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}
