//! A pseudo-terminal, and a program in it.

use std::fs::{File, OpenOptions};
use std::future::ready;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process_group};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::dlm::DEFAULT_SIGNALS;
use crate::harness::eventually;

/// A program at a terminal. The session is killed when dropped.
pub(super) struct Pty {
    terminal: File,
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Pty {
    /// Starts the command in a session of its own that the terminal controls.
    pub(super) fn start(program: &Command) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        let path = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let side = || Stdio::from(OpenOptions::new().read(true).write(true).open(&path).unwrap());
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).args(DEFAULT_SIGNALS);
        command.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        program.get_current_dir().map(|directory| command.current_dir(directory));
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        // The command has the only other copies of the terminal.
        drop(command);
        let terminal = File::from(terminal);
        let shown = Arc::<Mutex<String>>::default();
        let (mut reader, target) = (terminal.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                target.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        Self { terminal, child, shown }
    }

    /// Presses keys.
    pub(super) fn type_in(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// What was shown so far.
    pub(super) fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    /// Waits until a text is shown.
    pub(super) async fn shows(&self, text: &str) {
        self.shows_times(text, 1).await;
    }

    /// Waits until a text has been shown so many times.
    pub(super) async fn shows_times(&self, text: &str, times: usize) {
        eventually(text, || ready(self.shown().matches(text).count() >= times)).await;
    }

    /// Waits until the program exits; returns its code.
    pub(super) async fn code(&mut self) -> Option<i32> {
        eventually("the program exits", || ready(self.child.try_wait().unwrap().is_some())).await;
        self.child.wait().unwrap().code()
    }

    /// The modes of the terminal.
    pub(super) fn modes(&self) -> rustix::termios::Termios {
        rustix::termios::tcgetattr(&self.terminal).unwrap()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process_group(pid, Signal::KILL).ok();
        }
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("the terminal:\n{}", self.shown());
        }
    }
}
