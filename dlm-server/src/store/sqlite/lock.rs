//! The exclusive lock on the database file.
//!
//! Two servers on one file would each trust their own memory, and could grant
//! one lock twice. The lock is an advisory lock on the database file's inode, so
//! every name of the file leads to it: symbolic and hard links, relative paths
//! and other mounts. SQLite's own locks are of another kind and don't interact
//! with it.

use std::collections::HashSet;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DatabasePath, OpenError};

/// The database files that servers of this process have locked.
///
/// When a process closes a file, it loses all POSIX locks on that file, SQLite's
/// included. So a file that is locked here must not even be opened a second
/// time.
static LOCKED: Mutex<Option<HashSet<Inode>>> = Mutex::new(None);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Inode {
    device: u64,
    number: u64,
}

impl From<&Metadata> for Inode {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), number: metadata.ino() }
    }
}

/// The lock. The file is unlocked when the last clone is dropped, which must be
/// after the last connection to the file is closed.
#[derive(Debug, Clone)]
pub(super) struct DatabaseLock(#[expect(dead_code, reason = "held for its drop")] Arc<Locked>);

#[derive(Debug)]
struct Locked {
    inode: Inode,
    /// Unlocked when it is closed, also if the process is killed.
    _file: File,
}

impl Drop for Locked {
    fn drop(&mut self) {
        locked().get_or_insert_default().remove(&self.inode);
    }
}

/// Locks the database file for this process.
///
/// # Errors
///
/// If another server has locked it, or the file can't be opened. A missing file
/// is created if `create` is set and is an error otherwise.
pub(super) fn acquire(path: &DatabasePath, create: bool) -> Result<DatabaseLock, OpenError> {
    let failed = |source| OpenError::File { path: path.0.clone(), source };
    let in_use = || OpenError::InUse { path: path.0.clone() };
    let mut locked = locked();
    let locked = locked.get_or_insert_default();
    if fs::metadata(&path.0).is_ok_and(|existing| locked.contains(&Inode::from(&existing))) {
        return Err(in_use());
    }
    let file = OpenOptions::new().read(true).write(true).create(create).truncate(false).open(&path.0);
    let file = file.map_err(failed)?;
    let inode = Inode::from(&file.metadata().map_err(failed)?);
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use()),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    locked.insert(inode);
    Ok(DatabaseLock(Arc::new(Locked { inode, _file: file })))
}

fn locked() -> MutexGuard<'static, Option<HashSet<Inode>>> {
    LOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(directory: &tempfile::TempDir, name: &str) -> DatabasePath {
        DatabasePath(directory.path().join(name).display().to_string())
    }

    #[test]
    fn a_refused_second_lock_leaves_the_first_in_place() {
        let directory = tempfile::tempdir().unwrap();
        let (first, link) = (path(&directory, "a.db"), path(&directory, "b.db"));
        let lock = acquire(&first, true).unwrap();
        fs::hard_link(&first.0, &link.0).unwrap();
        for _ in 0..2 {
            assert!(matches!(acquire(&link, true), Err(OpenError::InUse { .. })));
            assert!(matches!(acquire(&first, true), Err(OpenError::InUse { .. })));
        }
        drop(lock);
        acquire(&link, true).unwrap();
    }

    #[test]
    fn a_missing_file_is_created_only_if_asked() {
        let directory = tempfile::tempdir().unwrap();
        let missing = path(&directory, "a.db");
        assert!(matches!(acquire(&missing, false), Err(OpenError::File { .. })));
        assert!(!fs::exists(&missing.0).unwrap());
        acquire(&missing, true).unwrap();
    }
}
