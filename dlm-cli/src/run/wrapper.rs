//! The first process of `dlm run`: from the arguments to the exit code.

use std::time::Duration;

use dlm_client::{Client, LockGuard};
use rustix::process::Signal;
use tokio::time::timeout;

use super::acquire::{Acquired, acquire};
use super::link::CommandStatus;
use super::report::{News, Reporter};
use super::signals::{Received, Signals};
use super::supervised::{Outcome, Supervised};
use super::terminal::Terminal;
use super::{environment, processes};
use crate::arguments::{GlobalOptions, OnLost, RunArguments};
use crate::exit_code::{ExitCodes, INTERNAL, Kind, SIGNAL_BASE};
use crate::failure::Failure;
use crate::output::Output;

/// How long to wait for the reply to the release. Without it, the lease expires.
const RELEASE_WITHIN: Duration = Duration::from_secs(10);
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// How `dlm run` ends.
pub(super) struct Exit {
    pub(super) code: u8,
    /// Ctrl-C ended the command, or the wait.
    pub(super) interrupted: bool,
}

impl Exit {
    /// After a signal before the command was started.
    fn by(received: Received) -> Self {
        let interrupted = received.from_terminal && received.signal == Signal::INT;
        Self { code: signal_code(received.signal.as_raw()), interrupted }
    }
}

/// Runs the command under the lock.
pub(super) async fn run(arguments: &RunArguments, options: &GlobalOptions, signals: &Signals) -> Exit {
    let codes = ExitCodes::new(&arguments.exit_code);
    let code_of = |failure: &Failure| failure.kind().map_or(failure.exit_code(), |kind| codes.code(kind));
    let failed = |failure: &Failure| Exit { code: code_of(failure), interrupted: false };
    let reporter = match Reporter::new(arguments, options) {
        Ok(reporter) => reporter,
        Err(failure) => {
            Output::new(options).failure(&failure);
            return failed(&failure);
        }
    };
    match try_run(arguments, options, signals, &reporter, &codes).await {
        Ok(exit) => exit,
        Err(failure) => {
            reporter.failure(&failure, code_of(&failure));
            failed(&failure)
        }
    }
}

async fn try_run(
    arguments: &RunArguments,
    options: &GlobalOptions,
    signals: &Signals,
    reporter: &Reporter,
    codes: &ExitCodes,
) -> Result<Exit, Failure> {
    environment::refuse_nested(&arguments.name, arguments.shared)?;
    processes::become_reaper()?;
    let acquired = acquire(arguments, options, signals, reporter).await?;
    let (client, guard) = match acquired {
        Acquired::Guard { client, guard } => (client, guard),
        Acquired::Interrupted(received) => return Ok(Exit::by(received)),
    };
    let terminal = Terminal::open();
    let outcome = under_lock(arguments, signals, reporter, &guard, terminal.is_some()).await;
    let still_held = release(guard, client, reporter).await;
    let outcome = match outcome? {
        Ok(outcome) => outcome,
        Err(received) => return Ok(Exit::by(received)),
    };
    if let (CommandStatus::Signaled(_), Some(terminal)) = (outcome.status, &terminal) {
        terminal.restore();
    }
    Ok(exit(&outcome, still_held, arguments.on_lost, codes))
}

/// Runs the command, unless a signal that asks to end came together with the grant.
async fn under_lock(
    arguments: &RunArguments,
    signals: &Signals,
    reporter: &Reporter,
    guard: &LockGuard,
    has_terminal: bool,
) -> Result<Result<Outcome, Received>, Failure> {
    while let Some(received) = signals.take()? {
        if received.asks_to_end() {
            return Ok(Err(received));
        }
    }
    let supervised = Supervised::start(arguments, signals, reporter, guard, has_terminal)?;
    Ok(Ok(supervised.watch().await?))
}

fn exit(outcome: &Outcome, still_held: bool, on_lost: OnLost, codes: &ExitCodes) -> Exit {
    let lost = outcome.cut_short || outcome.lost || !still_held;
    let code = match outcome.status {
        _ if lost && on_lost != OnLost::Ignore => codes.code(Kind::Lost),
        CommandStatus::Exited(code) => u8::try_from(code).unwrap_or(INTERNAL),
        CommandStatus::Signaled(signal) => signal_code(signal),
        CommandStatus::NotStarted => INTERNAL,
    };
    let by_interrupt = outcome.status == CommandStatus::Signaled(Signal::INT.as_raw());
    Exit { code, interrupted: !lost && outcome.ctrl_c && by_interrupt }
}

/// Releases the lock. Returns whether it was still held.
async fn release(guard: LockGuard, client: Client, reporter: &Reporter) -> bool {
    let mut still_held = true;
    match timeout(RELEASE_WITHIN, guard.release()).await {
        Ok(Ok(())) => reporter.tell(&News::Released),
        Ok(Err(error)) => {
            still_held = !error.is_lost();
            reporter.tell(&News::NotReleased { why: &format!("{error:#}") });
        }
        Err(_) => reporter.tell(&News::NotReleased { why: "the server does not reply" }),
    }
    client.close(CLOSE_WITHIN).await.ok();
    still_held
}

fn signal_code(signal: i32) -> u8 {
    u8::try_from(signal).map_or(INTERNAL, |signal| SIGNAL_BASE.saturating_add(signal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: CommandStatus, cut_short: bool, still_held: bool, on_lost: OnLost) -> u8 {
        let outcome = Outcome { status, cut_short, lost: false, ctrl_c: false };
        exit(&outcome, still_held, on_lost, &ExitCodes::default()).code
    }

    #[test]
    fn lost_lock_comes_before_the_code_of_the_command() {
        use CommandStatus::{Exited, Signaled};

        assert_eq!(code(Exited(3), false, true, OnLost::Term), 3);
        assert_eq!(code(Signaled(9), false, true, OnLost::Term), 137);
        assert_eq!(code(Exited(0), true, true, OnLost::Term), 79);
        assert_eq!(code(Exited(0), false, false, OnLost::Kill), 79);
        assert_eq!(code(Exited(0), false, false, OnLost::Ignore), 0);
    }

    #[test]
    fn only_ctrl_c_makes_this_program_die_of_an_interrupt() {
        let by = |signal: Signal, ctrl_c| {
            let status = CommandStatus::Signaled(signal.as_raw());
            let outcome = Outcome { status, cut_short: false, lost: false, ctrl_c };
            exit(&outcome, true, OnLost::Term, &ExitCodes::default()).interrupted
        };
        assert!(by(Signal::INT, true));
        assert!(!by(Signal::INT, false) && !by(Signal::TERM, true));
    }
}
