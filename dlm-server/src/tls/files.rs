//! The files that TLS is configured with.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Maximum size of a file.
const MAX_FILE: u64 = 1024 * 1024;

/// Which files there are, all of them PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The certificate of the server, followed by those between it and its authority.
    pub(crate) certificate: PathBuf,
    /// The private key of the certificate.
    pub(crate) key: PathBuf,
    /// The authorities of client certificates.
    pub(crate) client_ca: Option<PathBuf>,
}

/// What the files contained.
pub(super) struct Snapshot {
    pub(super) certificate: io::Result<Vec<u8>>,
    pub(super) key: io::Result<Vec<u8>>,
    pub(super) client_ca: Option<io::Result<Vec<u8>>>,
}

/// Differs when the files differ; all that is kept of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint(Vec<Option<[u8; 32]>>);

impl TlsFiles {
    pub(super) fn read(&self) -> Snapshot {
        Snapshot {
            certificate: read(&self.certificate),
            key: read(&self.key),
            client_ca: self.client_ca.as_deref().map(read),
        }
    }

    /// Whether every user of the machine may read the key.
    #[cfg(unix)]
    pub(super) fn key_is_readable_by_others(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(&self.key).is_ok_and(|metadata| metadata.mode() & 0o004 != 0)
    }

    /// Whether every user of the machine may read the key.
    #[cfg(not(unix))]
    pub(super) fn key_is_readable_by_others(&self) -> bool {
        false
    }
}

impl Snapshot {
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let files = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        let digest =
            |file: &io::Result<Vec<u8>>| file.as_ref().ok().map(|bytes| Sha256::digest(bytes).into());
        Fingerprint(files.into_iter().flatten().map(digest).collect())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is larger than 1 MiB"));
    }
    Ok(contents)
}
