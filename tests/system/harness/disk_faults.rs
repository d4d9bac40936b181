//! A disk that fails under the database of a SQLite server.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use super::backend::{Backend, Sqlite};
use super::server::{ApiTransport, ServerProcess};

/// What is wrong with the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DiskFault {
    /// Writes and syncs don't return.
    Hang,
    /// Reads don't return either.
    HangWithReads,
    /// Syncs fail.
    SyncErrors,
    /// One sync fails.
    OneSyncError,
    /// Nothing can be written.
    Full,
    /// The server ends before this write or sync from now on.
    End(usize),
    /// The same, and what it has written since now and not synced is lost.
    PowerCut(usize),
}

/// A SQLite database on a disk whose faults are switched on and off.
pub(crate) struct FaultyDisk {
    database: Arc<Sqlite>,
    directory: TempDir,
}

impl FaultyDisk {
    pub(crate) fn new() -> Self {
        let disk =
            Self { database: Arc::new(Sqlite::new()), directory: tempfile::tempdir().expect("a directory") };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/system/harness/disk_faults.c");
        let mut compile = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".into()));
        compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(disk.library()).arg(source).arg("-ldl");
        assert!(compile.status().expect("a C compiler").success(), "the library does not compile");
        disk
    }

    fn library(&self) -> PathBuf {
        self.directory.path().join("disk_faults.so")
    }

    fn fault(&self) -> PathBuf {
        self.directory.path().join("fault")
    }

    pub(crate) fn database(&self) -> &Arc<Sqlite> {
        &self.database
    }

    /// Starts a server on the database.
    pub(crate) fn server<T: ApiTransport>(&self, arguments: &[&str]) -> ServerProcess<Sqlite, T> {
        let file = self.database.real_path();
        let pair = |name: &str, value: String| (name.to_owned(), value);
        let environment = vec![
            pair("LD_PRELOAD", self.library().display().to_string()),
            pair("DLM_DISK_FAULT", self.fault().display().to_string()),
            pair("DLM_FAULTY_FILES", file.display().to_string()),
        ];
        ServerProcess::with_environment(&self.database, arguments, environment)
    }

    /// From now on the disk has this fault.
    pub(crate) fn fail(&self, fault: DiskFault) {
        let text = match fault {
            DiskFault::Hang => "hang".to_owned(),
            DiskFault::HangWithReads => "hang-reads".to_owned(),
            DiskFault::SyncErrors => "sync-error".to_owned(),
            DiskFault::OneSyncError => "one-sync-error".to_owned(),
            DiskFault::Full => "full".to_owned(),
            DiskFault::End(operation) => format!("end {operation}"),
            DiskFault::PowerCut(operation) => format!("power-cut {operation}"),
        };
        // Renamed into place: the server must not see half of the file.
        let new = self.directory.path().join("new");
        std::fs::write(&new, text).expect("the fault is written");
        std::fs::rename(new, self.fault()).expect("the fault is set");
    }

    /// Whether there is a fault: [`DiskFault::OneSyncError`] ends by itself.
    pub(crate) fn is_failing(&self) -> bool {
        self.fault().exists()
    }

    pub(crate) fn heal(&self) {
        std::fs::remove_file(self.fault()).expect("the fault is removed");
    }
}
