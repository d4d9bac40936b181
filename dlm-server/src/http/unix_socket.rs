//! A Unix socket that is listened on, and its file.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Who may connect: the user of the server and its group.
const MODE: u32 = 0o660;
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A Unix socket that is listened on. Its file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct BoundUnixSocket {
    listener: UnixListener,
    _file: SocketFile,
}

impl BoundUnixSocket {
    /// Listens on a path. A socket that a dead server has left there is replaced.
    ///
    /// # Errors
    ///
    /// If somebody listens there, if a file is there that is not a socket, or if the file can't be
    /// created.
    pub(crate) async fn bind(path: &Path) -> io::Result<Self> {
        // Of servers that start at once, none takes the socket of another for that of a dead one.
        let directory = File::open(path.parent().unwrap_or(path))?;
        flock(&directory, FlockOperation::LockExclusive)?;
        remove_abandoned(path).await?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        let file = SocketFile::of(path)?;
        // Nobody can connect before.
        fs::set_permissions(path, Permissions::from_mode(MODE))?;
        Ok(Self { listener: socket.listen(BACKLOG)?, _file: file })
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

/// Removes a socket that nobody listens on.
async fn remove_abandoned(path: &Path) -> io::Result<()> {
    let in_use = || io::Error::new(io::ErrorKind::AddrInUse, "another server listens on it");
    match UnixStream::connect(path).await {
        Ok(_) => Err(in_use()),
        // It has not accepted the last connections yet.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(in_use()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            if !fs::symlink_metadata(path)?.file_type().is_socket() {
                let what = "there is a file that is not a socket";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
            }
            tracing::info!(path = %path.display(), "socket of a dead server removed");
            fs::remove_file(path)
        }
        Err(error) => Err(error),
    }
}

/// The file of a socket. Dropping it removes the file, unless another one has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Tells a file from later ones at the same path, which may get the same inode.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    modified: (i64, i64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let identity = Identity::of(&fs::symlink_metadata(path)?);
        Ok(Self { path: path.to_owned(), identity })
    }
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino(), modified: (file.mtime(), file.mtime_nsec()) }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_same = fs::symlink_metadata(&self.path).is_ok_and(|file| Identity::of(&file) == self.identity);
        if is_same && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "socket could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as StdListener;

    use super::*;

    fn path() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dlm.sock");
        (directory, path)
    }

    #[tokio::test]
    async fn the_socket_is_for_its_user_and_group_and_removed_when_it_is_closed() {
        let (_directory, path) = path();
        let socket = BoundUnixSocket::bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        drop(UnixStream::connect(&path).await.unwrap());
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_socket_of_a_dead_server_is_replaced() {
        let (_directory, path) = path();
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists());
        let _socket = BoundUnixSocket::bind(&path).await.unwrap();
        drop(UnixStream::connect(&path).await.unwrap());
    }

    #[tokio::test]
    async fn the_socket_of_a_live_server_is_an_error_and_left_alone() {
        let (_directory, path) = path();
        let _live = BoundUnixSocket::bind(&path).await.unwrap();
        let error = BoundUnixSocket::bind(&path).await.unwrap_err();
        assert_eq!(
            (error.kind(), &*error.to_string()),
            (io::ErrorKind::AddrInUse, "another server listens on it")
        );
        drop(UnixStream::connect(&path).await.unwrap());
    }

    #[tokio::test]
    async fn a_file_that_is_not_a_socket_is_an_error_and_left_alone() {
        let (directory, path) = path();
        fs::write(&path, "precious").unwrap();
        let error = BoundUnixSocket::bind(&path).await.unwrap_err();
        assert_eq!(error.to_string(), "there is a file that is not a socket");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        // Somebody else's socket, by another name.
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        drop(StdListener::bind(&target).unwrap());
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(BoundUnixSocket::bind(&link).await.is_err());
        assert!(target.exists() && link.exists());
    }

    #[tokio::test]
    async fn a_socket_that_took_the_place_of_this_one_is_not_removed() {
        let (_directory, path) = path();
        let socket = BoundUnixSocket::bind(&path).await.unwrap();
        fs::remove_file(&path).unwrap();
        let _other = BoundUnixSocket::bind(&path).await.unwrap();
        drop(socket);
        drop(UnixStream::connect(&path).await.unwrap());
    }
}
