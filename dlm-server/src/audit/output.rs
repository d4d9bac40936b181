//! The file or the standard output that records are written to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::fdatasync;

use super::AuditDestination;
use crate::clock::since_boot;
use crate::line_queue::LineOutput;

/// Time between two log lines that say that records are lost.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Writes records.
#[derive(Debug)]
pub(super) struct AuditOutput {
    destination: AuditDestination,
    /// `None` for standard output.
    file: Option<File>,
    /// Whether the last line was written only in part.
    torn: bool,
    /// Whether the last write failed.
    failing: bool,
    reported_at: Option<Duration>,
}

impl AuditOutput {
    /// Opens the file, and creates it if there is none.
    pub(super) fn open(destination: AuditDestination) -> io::Result<Self> {
        let file = match &destination {
            AuditDestination::StandardOutput => None,
            AuditDestination::File(path) => Some(open(path)?),
        };
        Ok(Self { destination, file, torn: false, failing: false, reported_at: None })
    }

    fn try_reopen(&mut self) -> io::Result<()> {
        if let AuditDestination::File(path) = &self.destination {
            self.file = Some(open(path)?);
            self.torn = false;
        }
        Ok(())
    }

    fn try_write(&mut self, lines: &[u8]) -> io::Result<()> {
        // What is written to a file that was deleted is lost.
        if let Some(file) = &self.file
            && file.metadata()?.nlink() == 0
        {
            self.try_reopen()?;
        }
        if self.torn {
            self.write_part(b"\n")?;
        }
        self.write_part(lines)
    }

    /// Writes all of it, and remembers whether it ended in the middle of a line.
    fn write_part(&mut self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            let written = match &mut self.file {
                Some(file) => file.write(text),
                // Nothing stays in a buffer: the text ends with the end of a line.
                None => io::stdout().write_all(text).map(|()| text.len()),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.torn = text[bytes - 1] != b'\n';
                    text = &text[bytes..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn shown(&self) -> String {
        match &self.destination {
            AuditDestination::StandardOutput => "standard output".into(),
            AuditDestination::File(path) => path.display().to_string(),
        }
    }
}

impl LineOutput for AuditOutput {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.try_write(lines);
        if written.is_ok() && self.failing {
            tracing::info!(file = self.shown(), "audit log is written again");
            self.reported_at = None;
        }
        self.failing = written.is_err();
        written
    }

    fn sync(&mut self) -> io::Result<()> {
        let synced = match &self.file {
            Some(file) => fdatasync(file),
            None => fdatasync(io::stdout()),
        };
        match synced {
            // A pipe or a terminal has no disk.
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::ROFS | rustix::io::Errno::NOTSUP) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn reopen(&mut self) {
        match self.try_reopen() {
            Ok(()) => tracing::info!(file = self.shown(), "audit log reopened"),
            Err(error) => {
                tracing::error!(file = self.shown(), %error, "audit log not reopened: records go to the file before");
            }
        }
    }

    fn report(&mut self, dropped: u64, written: io::Result<()>, _: bool) -> bool {
        let now = since_boot();
        if self.reported_at.is_some_and(|at| now.saturating_sub(at) < REPORT_INTERVAL) {
            return false;
        }
        self.reported_at = Some(now);
        let why = written.err().map_or_else(|| "the queue was full".into(), |error| error.to_string());
        tracing::error!(records = dropped, file = self.shown(), why, "audit records lost");
        true
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(path: &Path) -> AuditOutput {
        AuditOutput::open(AuditDestination::File(path.into())).unwrap()
    }

    #[test]
    fn a_file_is_created_for_its_owner_and_appended_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        output(&path).write(b"1\n").unwrap();
        output(&path).write(b"2\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"1\n2\n");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_was_renamed_is_written_until_it_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let [path, old] = ["audit.log", "old"].map(|name| directory.path().join(name));
        let mut output = output(&path);
        output.write(b"1\n").unwrap();
        std::fs::rename(&path, &old).unwrap();
        output.write(b"2\n").unwrap();
        output.reopen();
        output.write(b"3\n").unwrap();
        assert_eq!(std::fs::read(&old).unwrap(), b"1\n2\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"3\n");
    }

    #[test]
    fn a_file_that_was_deleted_is_created_again_or_the_write_fails() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit").join("audit.log");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        let mut output = output(&path);
        std::fs::remove_file(&path).unwrap();
        output.write(b"1\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"1\n");
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        output.write(b"2\n").unwrap_err();
        output.reopen();
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        output.write(b"3\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"3\n");
    }

    #[test]
    fn a_line_after_one_that_was_written_in_part_begins_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let mut output = output(&path);
        output.write_part(b"1\n2").unwrap();
        output.write(b"3\n").unwrap();
        output.write(b"4\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"1\n2\n3\n4\n");
    }

    #[test]
    fn lost_records_are_reported_once_in_ten_seconds() {
        let mut output = AuditOutput::open(AuditDestination::File("/dev/full".into())).unwrap();
        let mut lose = || {
            let written = output.write(b"1\n");
            assert!(written.is_err());
            output.report(1, written, true)
        };
        assert_eq!([lose(), lose(), lose()], [true, false, false]);
    }
}
