//! The wrapper's side of a command that runs: keeps the supervisor up to date, and forwards signals.

use std::future::pending;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::ValueEnum;
use dlm_client::{LockGuard, LossReason, ReleaseRequest};
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use tokio::io::unix::AsyncFd;
use tokio::time::{MissedTickBehavior, Sleep, interval, sleep};

use super::deadline::BootTime;
use super::descriptor::readable;
use super::link::{CommandStatus, Order, Report, pair, receive_message, send_descriptor, send_message};
use super::processes::{self, Change};
use super::report::{News, Reporter};
use super::signals::{Received, Signals};
use super::{environment, link, supervisor};
use crate::arguments::{OnLost, OnReleaseRequest, RunArguments};
use crate::failure::Failure;

/// How long the supervisor may take to kill everything, before this process does it.
const KILL_WITHIN: Duration = Duration::from_secs(1);
/// How long to wait before processes that were killed are looked for again.
const KILL_AGAIN: Duration = Duration::from_millis(20);
/// A shell continues all processes of a job. If the command does not go on within this time, only
/// this process was continued.
const CONTINUED_WITHIN: Duration = Duration::from_millis(100);
/// How often the guard's deadline is looked up: so many times a TTL, and every second.
const LOOKS_PER_TTL: u32 = 20;
const MAX_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How the command ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) status: CommandStatus,
    /// The supervisor ended it, for the sake of the lock.
    pub(super) cut_short: bool,
    /// The lock was lost before the last process ended.
    pub(super) lost: bool,
    /// Ctrl-C was pressed.
    pub(super) ctrl_c: bool,
}

/// A command that runs, or is about to.
pub(super) struct Supervised<'a> {
    arguments: &'a RunArguments,
    signals: &'a Signals,
    reporter: &'a Reporter,
    guard: &'a LockGuard,
    /// The command is in the process group of this process, and gets the terminal's signals itself.
    shares_group: bool,
    socket: AsyncFd<OwnedFd>,
    deadline: BootTime,
    /// This process was continued, and the command is to be.
    continuing: Option<Timer>,
    lost: bool,
    ctrl_c: bool,
}

type Timer = Pin<Box<Sleep>>;

impl<'a> Supervised<'a> {
    /// Starts the supervisor, which starts the command.
    pub(super) fn start(
        arguments: &'a RunArguments,
        signals: &'a Signals,
        reporter: &'a Reporter,
        guard: &'a LockGuard,
        has_terminal: bool,
    ) -> Result<Self, Failure> {
        let (socket, other_end) = pair()?;
        // Whatever can fail comes before the supervisor: the lock is released if this fails.
        let socket = readable(socket)?;
        let deadline = deadline(guard);
        let mut command = Command::new("/proc/self/exe");
        command.arg0("dlm").arg(supervisor::STAGE);
        let numbers = [
            ("--parent", getpid().to_string()),
            ("--mask", signals.inherited_mask().to_string()),
            ("--ttl-ms", arguments.ttl.as_millis().to_string()),
            ("--deadline", deadline.as_nanos().to_string()),
        ];
        command.args(numbers.iter().flat_map(|(name, value)| [*name, value.as_str()]));
        command.arg("--on-lost").arg(name_of(&arguments.on_lost));
        command.arg("--leftover").arg(name_of(&arguments.leftover));
        if has_terminal {
            command.args(["--group", &getpgrp().to_string()]);
        }
        command.arg("--").args(&arguments.command);
        environment::set(&mut command, &arguments.name, guard.fencing_token(), arguments.pass_token);
        // A group of its own, so that what is sent to this one does not stop or end it.
        command.stdin(Stdio::from(other_end)).process_group(0);
        // Reaped with all other children of this process.
        command.spawn().map_err(|error| Failure::other(format!("can't start the supervisor: {error}")))?;
        drop(command);
        // Without it, the supervisor starts nothing.
        send_descriptor(&socket, io::stdin().as_fd())?;
        Ok(Self {
            arguments,
            signals,
            reporter,
            guard,
            shares_group: has_terminal,
            socket,
            deadline,
            continuing: None,
            lost: false,
            ctrl_c: false,
        })
    }

    /// Waits until no process of the command is left, also if this fails.
    pub(super) async fn watch(mut self) -> Result<Outcome, Failure> {
        let result = self.follow().await;
        if result.is_err() {
            // Closes the socket, so that the supervisor kills everything.
            drop(self);
            while reap()? {
                sleep(KILL_AGAIN).await;
            }
        }
        result
    }

    async fn follow(&mut self) -> Result<Outcome, Failure> {
        let mut lost = std::pin::pin!(self.guard.lost());
        let mut requested = self.guard.release_requested();
        let mut is_asked = false;
        let mut looks = interval((self.arguments.ttl / LOOKS_PER_TTL).min(MAX_LOOK_INTERVAL));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut killing: Option<Timer> = None;
        loop {
            let signals = self.signals;
            let outcome = tokio::select! {
                biased;
                received = signals.next() => {
                    self.received(received?)?;
                    None
                }
                reason = &mut lost, if !self.lost => {
                    if self.lost_by(reason) {
                        killing = Some(Box::pin(sleep(KILL_WITHIN)));
                    }
                    None
                }
                request = &mut requested, if !is_asked => {
                    is_asked = true;
                    if let Some(request) = request {
                        self.asked_to_release(&request);
                    }
                    None
                }
                ready = self.socket.readable() => {
                    ready?.clear_ready();
                    self.reports().await?
                }
                () = fired(&mut self.continuing) => {
                    self.continuing = None;
                    self.forward(Signal::CONT, false);
                    None
                }
                () = fired(&mut killing) => {
                    kill_all().await?;
                    Some(self.outcome(CommandStatus::Signaled(Signal::KILL.as_raw()), true))
                }
                _ = looks.tick() => {
                    self.update_deadline();
                    None
                }
            };
            if let Some(outcome) = outcome {
                return Ok(outcome);
            }
        }
    }

    fn received(&mut self, received: Received) -> io::Result<()> {
        if received.signal == Signal::CHILD {
            return reap().map(drop);
        }
        if received.signal == Signal::CONT && self.shares_group {
            // Sent at once, it could continue a command that was stopped again meanwhile.
            self.continuing = Some(Box::pin(sleep(CONTINUED_WITHIN)));
            return Ok(());
        }
        let delivered = received.from_terminal && self.shares_group;
        self.ctrl_c |= delivered && received.signal == Signal::INT;
        self.forward(received.signal, delivered);
        Ok(())
    }

    fn forward(&self, signal: Signal, delivered: bool) {
        send_message(&self.socket, &Order::Forward { signal: signal.as_raw(), delivered });
    }

    /// Handles the loss of the lock. Returns whether everything is killed now.
    fn lost_by(&mut self, reason: LossReason) -> bool {
        self.lost = true;
        let reason = reason.to_string();
        if self.arguments.on_lost == OnLost::Ignore {
            self.reporter.tell(&News::LostIgnored { reason: &reason });
            return false;
        }
        self.reporter.tell(&News::Killing { reason: &reason });
        send_message(&self.socket, &Order::Kill);
        true
    }

    /// An operator asks for the lock.
    fn asked_to_release(&self, request: &ReleaseRequest) {
        let terminates = self.arguments.on_release_request == OnReleaseRequest::Term;
        self.reporter.tell(&News::ReleaseRequested { request, terminates });
        if terminates {
            self.forward(Signal::TERM, false);
        }
    }

    /// Handles what the supervisor reports. Returns the outcome at the end.
    async fn reports(&mut self) -> Result<Option<Outcome>, Failure> {
        loop {
            match receive_message(&self.socket)? {
                link::Received::Message(Report::Ended(ended)) => {
                    return Ok(Some(self.outcome(ended.status, ended.cut_short)));
                }
                link::Received::Message(report) => self.report(report)?,
                link::Received::None => return Ok(None),
                link::Received::Closed => {
                    kill_all().await?;
                    return Err(Failure::other(
                        "the supervisor has ended unexpectedly; everything was killed",
                    ));
                }
            }
        }
    }

    fn report(&mut self, report: Report) -> io::Result<()> {
        match report {
            Report::Terminating => self.reporter.tell(&News::Terminating),
            Report::Leftover(count) => self.reporter.tell(&News::Leftover { count }),
            // So that the shell sees the job stop. Without a terminal there is no such shell, and
            // the lock is renewed while the command is stopped.
            Report::Stopped if self.shares_group => {
                self.continuing = None;
                kill_process(getpid(), Signal::STOP)?;
            }
            Report::Continued => self.continuing = None,
            Report::Stopped | Report::Ended(_) => {}
        }
        Ok(())
    }

    fn outcome(&self, status: CommandStatus, cut_short: bool) -> Outcome {
        Outcome { status, cut_short, lost: self.lost, ctrl_c: self.ctrl_c }
    }

    /// Tells the supervisor a deadline that a renewal has moved.
    fn update_deadline(&mut self) {
        /// Less is the time between reading the clock and asking the guard.
        const MOVED: Duration = Duration::from_millis(5);

        let deadline = deadline(self.guard);
        if deadline > self.deadline.after(MOVED)
            && send_message(&self.socket, &Order::Deadline(deadline.as_nanos()))
        {
            self.deadline = deadline;
        }
    }
}

/// The guard's deadline, never later than it is: the clock is read first.
fn deadline(guard: &LockGuard) -> BootTime {
    let now = BootTime::now();
    now.after(guard.remaining())
}

fn name_of(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

async fn fired(timer: &mut Option<Timer>) {
    match timer {
        Some(timer) => timer.as_mut().await,
        None => pending().await,
    }
}

/// Reaps the children that have ended, also those that became this process's as the first of a
/// container. Returns whether there are others.
fn reap() -> io::Result<bool> {
    loop {
        match processes::next_change()? {
            Change::Of(..) => {}
            Change::Nothing => return Ok(true),
            Change::NoChildren => return Ok(false),
        }
    }
}

/// Kills all descendants, the supervisor among them.
async fn kill_all() -> io::Result<()> {
    loop {
        processes::signal_descendants(Signal::KILL)?;
        if !reap()? {
            return Ok(());
        }
        sleep(KILL_AGAIN).await;
    }
}
