//! The audit log: who did, or was denied, what. One JSON object per line.
//!
//! Recorded are force-releases, denials, reloads of the policy and of the TLS files, and
//! grants if they are asked for. A record holds no secret: neither a bearer token, a JWT,
//! a ticket, a lease id nor an idempotency key.
//!
//! - `record`: what is recorded, and its line
//! - `origin`: where a request comes from
//! - `output`: the file or standard output

mod origin;
mod output;
mod record;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::wall_time;
use crate::line_queue::{LineQueue, MAX_QUEUED_BYTES};
use output::AuditOutput;

pub(crate) use origin::{Origin, RequestRef};
pub(crate) use record::{AuditOutcome, Record};

/// What records that no caller can make in large numbers may fill of the queue: the rest
/// of it can't be used up by denials.
const MAX_RESERVED_BYTES: usize = 2 * MAX_QUEUED_BYTES;
/// How long a force-release waits until its record is on disk.
const DURABLE_WITHIN: Duration = Duration::from_secs(5);
/// How long the end of a server waits for records to be written.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Where audit records are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditDestination {
    /// Standard output.
    StandardOutput,
    /// A file, which is appended to. It is created for its owner alone (mode 0600).
    File(PathBuf),
}

impl From<&str> for AuditDestination {
    /// `-` is standard output, and everything else a path.
    fn from(text: &str) -> Self {
        if text == "-" { Self::StandardOutput } else { Self::File(text.into()) }
    }
}

/// The options of the audit log.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// Where the records are written.
    pub destination: AuditDestination,
    /// Refuse a force-release whose record can't be written.
    pub strict: bool,
    /// Record grants.
    pub grants: bool,
}

/// A force-release was not recorded, and is not executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotRecorded;

/// The audit log of a server, if it has one. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Audit(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    lines: Arc<LineQueue>,
    strict: bool,
    grants: bool,
}

impl Audit {
    /// Opens the audit log. `lost` counts the records that are not written.
    ///
    /// # Errors
    ///
    /// Returns why the file can't be opened, or the thread not started.
    pub(crate) fn open(options: &AuditOptions, lost: Counter) -> io::Result<Self> {
        let output = AuditOutput::open(options.destination.clone())?;
        let lines = LineQueue::start("dlm-audit", output, lost)?;
        Ok(Self(Some(Arc::new(Inner { lines, strict: options.strict, grants: options.grants }))))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether grants are recorded.
    pub(crate) fn has_grants(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.grants)
    }

    /// Records what callers may cause in any number: denials and grants.
    pub(crate) fn record(&self, record: &Record<'_>) {
        self.push(record, MAX_QUEUED_BYTES);
    }

    /// Records what only administrators cause.
    pub(crate) fn record_reserved(&self, record: &Record<'_>) {
        self.push(record, MAX_RESERVED_BYTES);
    }

    /// Records what is about to be done. With `--audit-strict` the record is on disk when
    /// this returns.
    ///
    /// # Errors
    ///
    /// Returns an error if it has to be recorded and is not, or not in time. It may be
    /// written later.
    pub(crate) async fn record_before(&self, record: &Record<'_>) -> Result<(), NotRecorded> {
        let Some(inner) = self.0.as_ref().filter(|inner| inner.strict) else {
            self.record_reserved(record);
            return Ok(());
        };
        let durable = inner.lines.push_durably(record.line(wall_time()).as_bytes());
        match tokio::time::timeout(DURABLE_WITHIN, durable).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(NotRecorded),
        }
    }

    /// Opens the file again, which may have been renamed.
    fn reopen(&self) {
        if let Some(inner) = &self.0 {
            inner.lines.reopen();
        }
    }

    /// Opens the file again at each request, until `stop` is cancelled.
    pub(crate) async fn reopen_on(self, mut requests: watch::Receiver<()>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = requests.changed() => self.reopen(),
            }
        }
    }

    /// Waits until everything is written, for a second at most. Blocks.
    pub(crate) fn flush(&self) {
        if let Some(inner) = &self.0 {
            inner.lines.flush(FLUSH_WITHIN);
        }
    }

    fn push(&self, record: &Record<'_>, max_queued: usize) {
        if let Some(inner) = &self.0 {
            inner.lines.push(record.line(wall_time()).as_bytes(), max_queued);
        }
    }
}
