//! `dlm`, the command.
//!
//! What `dlm run` must do, each with real processes:
//!
//! - `command`: argv, environment, descriptors, output, standard input, exit codes
//! - `signals`: forwarding, Ctrl-C, while queued, before the start
//! - `processes`: groups, daemons, reaping, a wrapper or supervisor that is killed
//! - `loss`: a lock that can't be renewed, force-releases, stopped processes, a suspend
//! - `job_control`: terminals
//! - `options`: the options, and nested locks
//!
//! The other commands: `queries`, `login`.
//!
//! `dlm` and `pty` start it.

mod command;
mod dlm;
mod job_control;
mod login;
mod loss;
mod options;
mod processes;
mod pty;
mod queries;
mod signals;

use crate::harness::{ServerProcess, Sqlite};

type TestServer = ServerProcess<Sqlite>;
