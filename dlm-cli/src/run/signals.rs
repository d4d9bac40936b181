//! Receives signals by a descriptor. They stay blocked, so none is lost while a process is being
//! set up, and the supervisor inherits the block.

use std::cell::OnceCell;
use std::io;

use nix::sys::signal::{SigSet, Signal as Name};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use procfs::process::Process;
use rustix::process::{Signal, getpid, kill_process};
use tokio::io::unix::AsyncFd;

use super::descriptor::readable;

/// What `dlm run` forwards.
const FORWARDED: [Name; 9] = [
    Name::SIGTERM,
    Name::SIGINT,
    Name::SIGHUP,
    Name::SIGQUIT,
    Name::SIGUSR1,
    Name::SIGUSR2,
    Name::SIGWINCH,
    Name::SIGTSTP,
    Name::SIGCONT,
];
/// A process in the background gets these when it writes to the terminal or sets its modes. It
/// must not be stopped by that.
const BACKGROUND: [Name; 2] = [Name::SIGTTOU, Name::SIGTTIN];

/// The signals of the wrapper.
pub(super) struct Signals {
    /// It is registered with the runtime when the first signal is awaited.
    descriptor: OnceCell<AsyncFd<SignalFd>>,
    inherited_mask: u64,
}

/// A signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) signal: Signal,
    /// Sent by the kernel to the whole foreground process group, as for Ctrl-C.
    pub(super) from_terminal: bool,
}

impl Received {
    /// Whether the sender wants the program to end.
    pub(super) fn asks_to_end(self) -> bool {
        asks_to_end(self.signal)
    }
}

/// Whether a signal asks a program to end.
pub(super) fn asks_to_end(signal: Signal) -> bool {
    [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT].contains(&signal)
}

impl Signals {
    /// Blocks the signals. Those that are ignored, as SIGHUP below `nohup`, stay so, also for the
    /// command.
    pub(super) fn block() -> io::Result<Self> {
        let status = Process::myself().and_then(|process| process.status());
        let status = status.map_err(|error| io::Error::other(format!("/proc is not readable: {error}")))?;
        let mut mask = SigSet::empty();
        let ignored = |signal: Name| status.sigign & bit(signal) != 0;
        for signal in FORWARDED.into_iter().filter(|signal| !ignored(*signal)) {
            mask.add(signal);
        }
        mask.add(Name::SIGCHLD);
        BACKGROUND.into_iter().for_each(|signal| mask.add(signal));
        mask.thread_block()?;
        Ok(Self { descriptor: OnceCell::new(), inherited_mask: status.sigblk })
    }

    /// The mask that the program was started with, for the command.
    pub(super) fn inherited_mask(&self) -> u64 {
        self.inherited_mask
    }

    /// Waits for a signal.
    pub(super) async fn next(&self) -> io::Result<Received> {
        loop {
            if let Some(received) = self.take()? {
                return Ok(received);
            }
            self.descriptor()?.readable().await?.clear_ready();
        }
    }

    /// A signal that has already arrived.
    pub(super) fn take(&self) -> io::Result<Option<Received>> {
        take(self.descriptor()?.get_ref())
    }

    /// Ends this process by SIGINT.
    pub(super) fn die_of_interrupt(&self) {
        let mut interrupt = SigSet::empty();
        interrupt.add(Name::SIGINT);
        if interrupt.thread_unblock().is_ok() {
            kill_process(getpid(), Signal::INT).ok();
        }
    }

    fn descriptor(&self) -> io::Result<&AsyncFd<SignalFd>> {
        if let Some(descriptor) = self.descriptor.get() {
            return Ok(descriptor);
        }
        let descriptor = readable(open(&FORWARDED)?)?;
        Ok(self.descriptor.get_or_init(|| descriptor))
    }
}

/// Opens a descriptor for SIGCHLD and these signals, which must be blocked.
fn open(signals: &[Name]) -> io::Result<SignalFd> {
    let mut mask = SigSet::empty();
    signals.iter().for_each(|signal| mask.add(*signal));
    mask.add(Name::SIGCHLD);
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

/// Opens a descriptor for SIGCHLD, which must be blocked.
pub(super) fn child_signals() -> io::Result<SignalFd> {
    open(&[])
}

/// The next signal of a descriptor, if one has arrived.
pub(super) fn take(descriptor: &SignalFd) -> io::Result<Option<Received>> {
    /// `si_code` of a signal that the kernel sent by itself.
    const SI_KERNEL: i32 = 0x80;

    let Some(info) = descriptor.read_signal()? else { return Ok(None) };
    let number = i32::try_from(info.ssi_signo).unwrap_or(0);
    let signal = Signal::from_named_raw(number).ok_or_else(|| io::Error::other("unknown signal"))?;
    Ok(Some(Received { signal, from_terminal: info.ssi_code == SI_KERNEL }))
}

/// Sets the signal mask of this process, as in `/proc/self/status`.
pub(super) fn set_mask(bits: u64) -> io::Result<()> {
    let mut mask = SigSet::empty();
    Name::iterator().filter(|signal| bits & bit(*signal) != 0).for_each(|signal| mask.add(signal));
    Ok(mask.thread_set_mask()?)
}

fn bit(signal: Name) -> u64 {
    1 << (signal as i32 - 1)
}
