//! `dlm run`: runs a command under a lock.
//!
//! Three processes take part, all of them this program:
//!
//! ```text
//! dlm run NAME -- CMD      the wrapper: holds the lock, receives signals
//!   │ orders: the deadline, signals to forward, kill
//!   │ reports: stopped, terminating, ended
//! dlm __supervise          the supervisor: parent of all processes of the command
//!   │
//! dlm __exec ──▶ CMD       the command; becomes CMD by exec
//!   └── …                  what it starts, also in the background
//! ```
//!
//! The supervisor is the reaper of the command's descendants, so none of them escapes it. It learns
//! the deadline of the guard at every renewal, and keeps it by itself: by a timer that counts the
//! time of a suspend, also if the wrapper hangs or is stopped. It is in a process group of its own,
//! so what ends or stops the wrapper's group does not reach it. When the wrapper dies, the socket
//! between them closes, and the supervisor kills everything. When the supervisor dies, the command
//! is killed by the kernel (its parent-death signal), and its descendants become the wrapper's,
//! which kills them.
//!
//! If there is a controlling terminal, the command stays in the wrapper's process group. So the
//! terminal's signals reach it directly, and once, and shells, pipelines, `vim`, `ssh` and `sudo`
//! work as without `dlm run`. Without a terminal the command gets a group of its own.
//!
//! # Layout
//!
//! - `wrapper`: the first process, from the arguments to the exit code
//! - `supervised`: its side of a command that runs
//! - `acquire`: from the arguments to the guard; `progress` says what is waited for
//! - `supervisor`: the second process
//! - `trampoline`: the third one, until it becomes the command
//! - `link`: orders and reports between the first two
//! - `report`: messages for the user
//! - `environment`: the variables of the command
//! - `terminal`: the controlling terminal
//! - `processes`: descendants: list, signal, kill, reap
//! - `deadline`: when to end the command
//! - `descriptor`: descriptors that the runtime watches
//! - `signals`: receiving signals by a descriptor

mod acquire;
mod deadline;
mod descriptor;
mod environment;
mod link;
mod processes;
mod progress;
mod report;
mod signals;
mod supervised;
mod supervisor;
mod terminal;
mod trampoline;
mod wrapper;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::SignalKind;

use self::signals::Signals;
use crate::arguments::{GlobalOptions, RunArguments};
use crate::exit_code::INTERNAL;
use crate::failure::Failure;

/// Runs this process if it is the second or third one of `dlm run`.
pub(crate) fn hidden_stage() -> Option<ExitCode> {
    let stage = std::env::args_os().nth(1)?;
    let arguments = std::env::args_os().skip(1);
    match stage.to_str()? {
        supervisor::STAGE => Some(match supervisor::Arguments::try_parse_from(arguments) {
            Ok(arguments) => supervisor::run(&arguments),
            Err(error) => refuse(&error),
        }),
        trampoline::STAGE => Some(match trampoline::Arguments::try_parse_from(arguments) {
            Ok(arguments) => trampoline::run(&arguments),
            Err(error) => refuse(&error),
        }),
        _ => None,
    }
}

fn refuse(error: &clap::Error) -> ExitCode {
    error.print().ok();
    ExitCode::from(INTERNAL)
}

/// Runs the command under the lock. Returns the exit code.
pub(crate) fn run(arguments: &RunArguments, options: &GlobalOptions) -> Result<ExitCode, Failure> {
    // Before the client starts its thread, which must not receive them.
    let signals = Signals::block()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    {
        let _context = runtime.enter();
        // If it is ignored, as some daemons leave it, the kernel reaps the command, and its exit code
        // is lost. With a handler it is not, and programs start with the default.
        drop(tokio::signal::unix::signal(SignalKind::child())?);
    }
    let exit = runtime.block_on(wrapper::run(arguments, options, &signals));
    drop(runtime);
    if exit.interrupted {
        // So that a script that runs this program ends too, as with any other program.
        signals.die_of_interrupt();
    }
    Ok(ExitCode::from(exit.code))
}
