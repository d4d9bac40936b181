//! The command and its descendants: starting, signalling, reaping and ending them.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitStatus, getpid, kill_process, kill_process_group};

use super::Arguments;
use crate::arguments::{Leftover, OnLost};
use crate::run::deadline::{BootTime, Schedule};
use crate::run::link::{CommandStatus, Ended, Report, send_message};
use crate::run::processes::{self, Change};
use crate::run::{signals, trampoline};

/// Between SIGTERM and SIGKILL for processes that the command left behind.
const LEFTOVER_GRACE: Duration = Duration::from_secs(5);

/// The command and its descendants.
pub(super) struct Family<'a> {
    arguments: &'a Arguments,
    socket: BorrowedFd<'a>,
    schedule: Schedule,
    command: Option<Pid>,
    status: Option<CommandStatus>,
    has_children: bool,
    phase: Phase,
    /// Ended by the supervisor, for the sake of the lock.
    cut_short: bool,
    /// A signal was forwarded that asks to end.
    asked_to_end: bool,
    leftovers_reported: bool,
}

/// What is being done to the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// It got SIGTERM, and gets SIGKILL at this time.
    Terminating(BootTime),
    Killing,
}

impl<'a> Family<'a> {
    pub(super) fn new(arguments: &'a Arguments, socket: BorrowedFd<'a>, schedule: Schedule) -> Self {
        Self {
            arguments,
            socket,
            schedule,
            command: None,
            status: None,
            has_children: false,
            phase: Phase::Running,
            cut_short: false,
            asked_to_end: false,
            leftovers_reported: false,
        }
    }

    /// Starts the command, unless it is too late for that.
    pub(super) fn start(&mut self, input: OwnedFd) -> io::Result<()> {
        if self.arguments.on_lost != OnLost::Ignore && BootTime::now() >= self.schedule.term_at {
            self.cut_short = true;
            return Ok(());
        }
        let mut command = Command::new("/proc/self/exe");
        command.arg0("dlm").arg(trampoline::STAGE);
        command.args(["--parent", &getpid().to_string(), "--mask", &self.arguments.mask.to_string(), "--"]);
        command.args(&self.arguments.command).stdin(Stdio::from(input));
        command.process_group(self.arguments.group.unwrap_or(0));
        let pid = i32::try_from(command.spawn()?.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("no process id"))?;
        self.command = Some(pid);
        self.has_children = true;
        Ok(())
    }

    /// Takes a deadline that a renewal has moved.
    pub(super) fn set_schedule(&mut self, schedule: Schedule) {
        self.schedule = schedule;
    }

    /// Sends a signal on, to the command's group if it would come from a terminal, else to the
    /// command. One that was delivered already is only noted.
    pub(super) fn forward(&mut self, signal: Signal, delivered: bool) -> io::Result<()> {
        self.asked_to_end |= signals::asks_to_end(signal) && !delivered;
        let Some(command) = self.command.filter(|_| !delivered) else { return Ok(()) };
        let of_a_terminal = signals::asks_to_end(signal) || [Signal::TSTP, Signal::CONT].contains(&signal);
        match self.arguments.group.and_then(Pid::from_raw) {
            Some(group) if of_a_terminal => processes::signal_in_group(group, signal)?,
            // Its last process may have ended.
            None if of_a_terminal => drop(kill_process_group(command, signal)),
            // It is not reaped yet, so the id is still its own.
            _ if self.status.is_none() => drop(kill_process(command, signal)),
            _ => {}
        }
        Ok(())
    }

    /// Reaps what has ended, and reports a command that was stopped or continued.
    pub(super) fn reap(&mut self) -> io::Result<()> {
        loop {
            match processes::next_change()? {
                Change::Of(pid, status) if Some(pid) == self.command => self.command_changed(status),
                Change::Of(..) => {}
                Change::Nothing => return Ok(()),
                Change::NoChildren => {
                    self.has_children = false;
                    return Ok(());
                }
            }
        }
    }

    fn command_changed(&mut self, status: WaitStatus) {
        if status.stopped() {
            send_message(self.socket, &Report::Stopped);
        } else if status.continued() {
            send_message(self.socket, &Report::Continued);
        } else if let Some(code) = status.exit_status() {
            self.status = Some(CommandStatus::Exited(code));
        } else if let Some(signal) = status.terminating_signal() {
            self.status = Some(CommandStatus::Signaled(signal));
        }
    }

    /// Does what is due: at the end of the term, and after the command has left processes behind.
    pub(super) fn keep_schedule(&mut self, now: BootTime) -> io::Result<()> {
        let on_lost = self.arguments.on_lost;
        if self.phase == Phase::Running && on_lost == OnLost::Term && now >= self.schedule.term_at {
            self.cut_short = true;
            send_message(self.socket, &Report::Terminating);
            self.terminate(self.schedule.kill_at)?;
        }
        if self.phase != Phase::Killing && on_lost != OnLost::Ignore && now >= self.schedule.kill_at {
            self.cut_short = true;
            self.kill();
        }
        match self.phase {
            Phase::Running if self.status.is_some() => self.leftovers(now)?,
            Phase::Terminating(kill_at) if now >= kill_at => self.kill(),
            _ => {}
        }
        if self.phase == Phase::Killing {
            processes::signal_descendants(Signal::KILL)?;
        }
        Ok(())
    }

    /// Once the command has ended, ends the processes that it left behind, or reports them.
    fn leftovers(&mut self, now: BootTime) -> io::Result<()> {
        // A command that survives Ctrl-C was not asked to end.
        let by_terminal = [Signal::INT, Signal::QUIT].map(|signal| CommandStatus::Signaled(signal.as_raw()));
        let ended_by_terminal = self.status.is_some_and(|status| by_terminal.contains(&status));
        if self.asked_to_end || ended_by_terminal || self.arguments.leftover == Leftover::Kill {
            return self.terminate(now.after(LEFTOVER_GRACE));
        }
        if !self.leftovers_reported {
            self.leftovers_reported = true;
            send_message(self.socket, &Report::Leftover(processes::descendants()?.len()));
        }
        Ok(())
    }

    /// Sends SIGTERM. What is stopped is continued, so that it can react.
    fn terminate(&mut self, kill_at: BootTime) -> io::Result<()> {
        self.phase = Phase::Terminating(kill_at);
        processes::signal_descendants(Signal::TERM)?;
        processes::signal_descendants(Signal::CONT)?;
        Ok(())
    }

    /// Kills everything, from now on until nothing is left.
    pub(super) fn kill(&mut self) {
        self.cut_short |= self.status.is_none();
        self.phase = Phase::Killing;
    }

    /// When [`keep_schedule`](Self::keep_schedule) is due.
    pub(super) fn next_step(&self) -> Option<BootTime> {
        let of_schedule = match (self.phase, self.arguments.on_lost) {
            (Phase::Killing, _) | (_, OnLost::Ignore) => None,
            (Phase::Running, OnLost::Term) => Some(self.schedule.term_at),
            _ => Some(self.schedule.kill_at),
        };
        let of_phase = match self.phase {
            Phase::Terminating(kill_at) => Some(kill_at),
            _ => None,
        };
        of_schedule.into_iter().chain(of_phase).min()
    }

    pub(super) fn is_being_killed(&self) -> bool {
        self.phase == Phase::Killing
    }

    /// Whether no process is left.
    pub(super) fn has_ended(&self) -> bool {
        !self.has_children
    }

    pub(super) fn report_end(&self) {
        let status = self.status.unwrap_or(CommandStatus::NotStarted);
        send_message(self.socket, &Report::Ended(Ended { status, cut_short: self.cut_short }));
    }
}
