//! `dlm`: distributed locks for shell scripts, cron jobs and people at a terminal.
//!
//! # Layout
//!
//! From the top down; a module uses only modules below it.
//!
//! - `main`: which stage of the program this process is
//! - `run`: `dlm run`, which runs a command under a lock. Three processes take part; see there
//! - `top`: `dlm top`, the live view
//! - `commands`: the other commands, one a file
//! - `arguments`: the command line
//! - `connection`: from flags, environment and login file to a client
//! - `login_file`: where `dlm login` keeps the URL and the token
//! - `output`: text for people, JSON lines for programs
//! - `failure`: why a command failed, what to do, and its exit code
//! - `exit_code`: the exit codes

mod arguments;
mod commands;
mod connection;
mod exit_code;
mod failure;
mod login_file;
mod output;
#[cfg(target_os = "linux")]
mod run;
mod top;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::arguments::{Arguments, Command};
use crate::exit_code::ExitCodes;
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(code) = run::hidden_stage() {
        return code;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let output = Output::new(&arguments.global);
    match execute(arguments, &output) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn execute(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    match arguments.command {
        #[cfg(target_os = "linux")]
        Command::Run(run) => run::run(&run, &arguments.global),
        #[cfg(not(target_os = "linux"))]
        Command::Run(_) => {
            Err(Failure::usage("`dlm run` needs Linux: it relies on subreapers and parent-death signals"))
        }
        Command::Completions { shell } => commands::completions(shell),
        Command::Man { directory } => commands::man(&directory),
        command => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(commands::execute(command, &arguments.global, output))
        }
    }
}

/// Prints help, or what is wrong with the command line.
fn refuse(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell if the output is closed.
    error.print().ok();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(ExitCodes::usage_of(std::env::args_os().collect::<Vec<OsString>>().as_slice())),
    }
}
