//! The keys that are pressed.

use std::io;

use ratatui::crossterm::event::{Event, KeyEvent, KeyEventKind, read};
use tokio::sync::mpsc;

const READ_AHEAD: usize = 64;

/// What the terminal reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Key(KeyEvent),
    Resized,
}

/// Reads keys on a thread of its own, which ends with the program: it can't be woken.
pub(super) fn start() -> mpsc::Receiver<io::Result<Input>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        loop {
            let input = match read() {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Ok(Input::Key(key)),
                Ok(Event::Resize(..)) => Ok(Input::Resized),
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            let failed = input.is_err();
            if sender.blocking_send(input).is_err() || failed {
                return;
            }
        }
    });
    receiver
}
