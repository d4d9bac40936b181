//! What the programs have in common with other programs of a terminal.

use std::io::{self, Write};

/// Prints a line. Returns false if nobody reads the output any more, such as `head`,
/// where `println!` would panic.
pub fn print_line(line: &str) -> bool {
    let mut output = io::stdout();
    writeln!(output, "{line}").and_then(|()| output.flush()).is_ok()
}

/// Prints a formatted line with [`print_line`].
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::print_line(&format!($($argument)*))
    };
}

/// Waits until the program is asked to stop: by Ctrl-C, or by SIGTERM from a service
/// manager or a container.
///
/// # Errors
///
/// When the signals can't be received.
#[cfg(unix)]
pub async fn stop_requested() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}

/// Waits until the program is asked to stop by Ctrl-C.
///
/// # Errors
///
/// When the signal can't be received.
#[cfg(not(unix))]
pub async fn stop_requested() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
