//! What takes log lines, and what writes them.

use std::io::{self, Write};
use std::sync::{Arc, LazyLock};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

use crate::line_queue::{LineOutput, LineQueue, MAX_QUEUED_BYTES};

static LINES_DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Counts the log lines of this process that could not be written.
pub(crate) fn lines_dropped() -> Counter {
    LINES_DROPPED.clone()
}

/// Standard error.
pub(super) struct LogOutput;

impl LineOutput for LogOutput {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        // `write_all` retries an interrupted write and fails on any other error.
        let mut output = io::stderr();
        output.write_all(lines).and_then(|()| output.flush())
    }

    fn report(&mut self, dropped: u64, written: io::Result<()>, caught_up: bool) -> bool {
        // The report is itself a log line.
        let can_report = written.is_ok() && caught_up;
        if can_report {
            tracing::warn!(lines = dropped, "log lines dropped");
        }
        can_report
    }
}

/// Gives the subscriber a writer for each line.
#[derive(Debug)]
pub(super) struct QueueWriter(pub(super) Arc<LineQueue>);

/// Enqueues what is written; the subscriber writes a whole line at once.
#[derive(Debug)]
pub(super) struct LineWriter<'a>(&'a LineQueue);

impl<'a> MakeWriter<'a> for QueueWriter {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter(&self.0)
    }
}

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line, MAX_QUEUED_BYTES);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
