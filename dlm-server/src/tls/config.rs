//! Makes the configuration of rustls of the files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{Error, RootCertStore, ServerConfig};

use super::certificate::ClientCertificate;
use super::files::{Snapshot, TlsFiles};

/// The protocols of a connection, the preferred one first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why the files of TLS can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("could not read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{path} is not valid PEM: {reason}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file has no certificate.
    #[error("{0} contains no certificate: it must have a block that begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate(PathBuf),
    /// The file of the key has no key that can be used.
    #[error(
        "{0} contains no private key, or one with a passphrase: it must have a block that begins with \
         -----BEGIN PRIVATE KEY-----"
    )]
    NoKey(PathBuf),
    /// The key belongs to another certificate.
    #[error("the key in {key} does not belong to the first certificate in {certificate}")]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The certificate, its key or an authority is not valid or not supported.
    #[error("{path} can't be used: {reason}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A configuration, and what the log says of it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// The names and the expiry of the server's certificate.
    pub(super) certificate: ClientCertificate,
}

/// Makes a configuration of the files' contents.
pub(super) fn load(files: &TlsFiles, snapshot: &Snapshot) -> Result<Loaded, TlsError> {
    let chain = certificates(&files.certificate, &snapshot.certificate)?;
    let unusable = |path: &Path, reason: String| TlsError::Unusable { path: path.to_owned(), reason };
    let certificate = match chain.first() {
        Some(first) => ClientCertificate::parse(first),
        None => return Err(TlsError::NoCertificate(files.certificate.clone())),
    };
    let certificate = certificate.map_err(|error| unusable(&files.certificate, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(contents(&files.key, &snapshot.key)?);
    let key = key.map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(files.key.clone()),
        error => TlsError::Pem { path: files.key.clone(), reason: error.to_string() },
    })?;
    let provider = Arc::new(ring::default_provider());
    let verifier = match (&files.client_ca, &snapshot.client_ca) {
        (Some(path), Some(read)) => Some(verifier(path, read, &provider)?),
        _ => None,
    };
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&files.certificate, error.to_string()))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() }
        }
        Error::InvalidCertificate(_) => unusable(&files.certificate, error.to_string()),
        error => unusable(&files.key, error.to_string()),
    })?;
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
    Ok(Loaded { config: Arc::new(config), certificate })
}

/// Verifies the certificates of clients that present one. The others have tokens.
fn verifier(
    path: &Path,
    read: &io::Result<Vec<u8>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let unusable = |reason: String| TlsError::Unusable { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for authority in certificates(path, read)? {
        roots.add(authority).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| unusable(error.to_string()))
}

fn certificates(path: &Path, read: &io::Result<Vec<u8>>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<_, _> = CertificateDer::pem_slice_iter(contents(path, read)?).collect();
    certificates.map_err(|error| TlsError::Pem { path: path.to_owned(), reason: error.to_string() })
}

fn contents<'a>(path: &Path, read: &'a io::Result<Vec<u8>>) -> Result<&'a [u8], TlsError> {
    read.as_deref().map_err(|error| TlsError::Read {
        path: path.to_owned(),
        source: io::Error::new(error.kind(), error.to_string()),
    })
}
