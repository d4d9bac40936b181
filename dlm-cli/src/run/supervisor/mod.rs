//! The second process of `dlm run`: starts the command, reaps it and all that it starts, and ends
//! them when the lock is lost, when it is about to be, and when the wrapper has died.
//!
//! - `family`: the command and its descendants

mod family;

use std::ffi::{CStr, OsString};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getppid};
use rustix::time::Timespec;

use self::family::Family;
use super::deadline::{BootTime, Schedule, Timer};
use super::link::{Order, Received, receive_descriptor, receive_message};
use super::{processes, signals};
use crate::arguments::{Leftover, OnLost};
use crate::exit_code::INTERNAL;

pub(super) const STAGE: &str = "__supervise";
/// As `ps` shows it.
const PROCESS_NAME: &CStr = c"dlm-supervise";
/// How long to wait before processes that were killed are looked for again: new ones may have been
/// started meanwhile.
const KILL_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

#[derive(Debug, Parser)]
#[command(name = STAGE)]
pub(super) struct Arguments {
    /// Process id of the wrapper.
    #[arg(long)]
    pub(super) parent: i32,
    /// The signal mask for the command.
    #[arg(long)]
    pub(super) mask: u64,
    #[arg(long)]
    pub(super) ttl_ms: u64,
    /// The guard's deadline, in nanoseconds of `CLOCK_BOOTTIME`.
    #[arg(long)]
    pub(super) deadline: u64,
    #[arg(long)]
    pub(super) on_lost: OnLost,
    #[arg(long)]
    pub(super) leftover: Leftover,
    /// The process group in which the command stays; without it, it gets one of its own.
    #[arg(long)]
    pub(super) group: Option<i32>,
    #[arg(last = true, required = true)]
    pub(super) command: Vec<OsString>,
}

/// Runs the supervisor. Its standard input is the socket of the wrapper; the command's comes over it.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match supervise(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "dlm: the command can't be supervised any more: {error}").ok();
            // The command is killed by its parent-death signal, the others by the wrapper.
            ExitCode::from(INTERNAL)
        }
    }
}

fn supervise(arguments: &Arguments) -> io::Result<()> {
    rustix::thread::set_name(PROCESS_NAME)?;
    processes::become_reaper()?;
    let standard_input = io::stdin();
    let socket = standard_input.as_fd();
    let children = signals::child_signals()?;
    let timer = Timer::new()?;
    let Some(input) = receive_descriptor(socket)? else { return Ok(()) };
    if getppid().map(Pid::as_raw_pid) != Some(arguments.parent) {
        return Ok(());
    }
    let ttl = Duration::from_millis(arguments.ttl_ms);
    let schedule = Schedule::new(BootTime::from_nanos(arguments.deadline), ttl);
    let mut family = Family::new(arguments, socket, schedule);
    family.start(input)?;
    loop {
        family.reap()?;
        if family.has_ended() {
            family.report_end();
            return Ok(());
        }
        family.keep_schedule(BootTime::now())?;
        timer.set(family.next_step())?;
        wait(socket, &children, &timer, family.is_being_killed())?;
        while signals::take(&children)?.is_some() {}
        follow_orders(socket, &mut family, ttl)?;
    }
}

/// Waits for an order, a child that changes, or the timer.
fn wait(socket: BorrowedFd<'_>, children: &SignalFd, timer: &Timer, killing: bool) -> io::Result<()> {
    let mut sources = vec![PollFd::new(children, PollFlags::IN), PollFd::new(timer, PollFlags::IN)];
    // While everything is killed, a socket that is closed would be readable all the time.
    if !killing {
        sources.push(PollFd::from_borrowed_fd(socket, PollFlags::IN));
    }
    match poll(&mut sources, killing.then_some(&KILL_AGAIN)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn follow_orders(socket: BorrowedFd<'_>, family: &mut Family<'_>, ttl: Duration) -> io::Result<()> {
    loop {
        match receive_message(socket)? {
            Received::Message(Order::Deadline(nanos)) => {
                family.set_schedule(Schedule::new(BootTime::from_nanos(nanos), ttl));
            }
            Received::Message(Order::Forward { signal, delivered }) => {
                if let Some(signal) = Signal::from_named_raw(signal) {
                    family.forward(signal, delivered)?;
                }
            }
            Received::Message(Order::Kill) => family.kill(),
            Received::Closed => {
                family.kill();
                return Ok(());
            }
            Received::None => return Ok(()),
        }
    }
}
