//! Structured logging to standard error.
//!
//! A log line must never cost a lock. Standard error may be closed, on a full disk,
//! or a pipe that nobody reads, so the thread that logs only puts its line into a
//! queue, and a thread of its own writes it.
//!
//! - `output`: standard error, and what gives it lines

mod output;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use output::{LogOutput, QueueWriter};

use crate::line_queue::{LineQueue, MAX_QUEUED_BYTES};

pub(crate) use output::lines_dropped;

/// How long the end of the process waits for log lines to be written.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not valid.
    #[error("the log filter is not valid: {0}")]
    Filter(#[from] ParseError),
    /// The thread that writes log lines could not be started.
    #[error("could not start the logging thread: {0}")]
    Thread(#[from] io::Error),
}

/// Writes log lines. Dropping it waits for the lines logged so far, for a second at
/// most.
#[derive(Debug)]
#[must_use = "lines that are not written when the process exits are lost"]
pub struct Logging {
    lines: Arc<LineQueue>,
}

impl Logging {
    /// Writes a line to standard error as it is. Never blocks.
    pub fn write_line(&self, line: &str) {
        self.lines.push(format!("{line}\n").as_bytes(), MAX_QUEUED_BYTES);
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.lines.flush(FLUSH_WITHIN);
    }
}

/// Starts logging to standard error. `filter` selects what is logged, for example
/// `info` or `dlm_server=debug`. Panics are logged too, instead of being printed.
///
/// Logging never blocks and never fails: lines that can't be written are dropped, and
/// counted in the metric `dlm_log_lines_dropped_total`.
///
/// # Errors
///
/// Returns an error if the filter is not valid, or if no thread can be started.
///
/// # Panics
///
/// Panics if a global tracing subscriber is already set.
pub fn start(format: LogFormat, filter: &str) -> Result<Logging, LoggingError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = LineQueue::start("dlm-log", LogOutput, lines_dropped())?;
    // The subscriber's own errors would go to `eprintln!`, which panics.
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(QueueWriter(Arc::clone(&lines)));
    match format {
        LogFormat::Text => logs.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
        LogFormat::Json => logs.json().init(),
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(Logging { lines })
}

/// The default hook writes to standard error itself, which may block.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let payload = panic.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message =
        message.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
    let backtrace = Backtrace::capture();
    let thread = thread.name().unwrap_or_default();
    match backtrace.status() {
        BacktraceStatus::Captured => {
            tracing::error!(thread, location, message, %backtrace, "thread panicked");
        }
        _ => tracing::error!(thread, location, message, "thread panicked"),
    }
}
