//! The third process of `dlm run`: sets up what only the process itself can, and becomes the
//! command.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Parser;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::signals;
use crate::exit_code::{INTERNAL, NOT_EXECUTABLE, NOT_FOUND};

pub(super) const STAGE: &str = "__exec";

#[derive(Debug, Parser)]
#[command(name = STAGE)]
pub(super) struct Arguments {
    /// Process id of the supervisor.
    #[arg(long)]
    pub(super) parent: i32,
    /// The signal mask for the command.
    #[arg(long)]
    pub(super) mask: u64,
    #[arg(last = true, required = true)]
    pub(super) command: Vec<OsString>,
}

/// Becomes the command. Returns only if that fails.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    if let Err(error) = prepare(arguments) {
        return fail(&format!("can't set up the process of the command: {error}"), INTERNAL);
    }
    let Some((program, rest)) = arguments.command.split_first() else { return ExitCode::from(INTERNAL) };
    let error = Command::new(program).args(rest).exec();
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
    fail(&format!("can't run `{}`: {error}", program.to_string_lossy()), code)
}

fn prepare(arguments: &Arguments) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before.
    if getppid().map(rustix::process::Pid::as_raw_pid) != Some(arguments.parent) {
        return Err(io::Error::other("the supervisor has ended"));
    }
    signals::set_mask(arguments.mask)
}

fn fail(message: &str, code: u8) -> ExitCode {
    writeln!(io::stderr(), "dlm: {message}").ok();
    ExitCode::from(code)
}
