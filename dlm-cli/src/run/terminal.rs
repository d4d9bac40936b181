//! The controlling terminal.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// The terminal that controls this process, with its modes when the program began.
pub(super) struct Terminal {
    descriptor: OwnedFd,
    modes: Termios,
}

impl Terminal {
    /// None without a terminal, as in a cron job or a service.
    pub(super) fn open() -> Option<Self> {
        let descriptor: OwnedFd = File::open("/dev/tty").ok()?.into();
        let modes = tcgetattr(&descriptor).ok()?;
        Some(Self { descriptor, modes })
    }

    /// Restores the modes after a command that was killed and could not do it, as a shell does.
    pub(super) fn restore(&self) {
        // In the background the terminal is another program's.
        if tcgetpgrp(&self.descriptor).is_ok_and(|foreground| foreground == getpgrp()) {
            tcsetattr(&self.descriptor, OptionalActions::Drain, &self.modes).ok();
        }
    }
}
