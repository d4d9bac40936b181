//! Certificates for tests, made with `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority, in a temporary folder.
pub(crate) struct Authority(tempfile::TempDir);

/// The files of a certificate and its key.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let authority = Self(tempfile::tempdir().expect("a folder"));
        let name = authority.path().file_name().and_then(|name| name.to_str()).expect("a name");
        authority.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} \
             -keyout ca.key -out ca.pem"
        ));
        authority
    }

    /// Issues a certificate for these subject alternative names, such as
    /// `IP:127.0.0.1,DNS:localhost`. `file` names the files.
    pub(crate) fn issue(&self, file: &str, names: &str) -> Identity {
        std::fs::write(self.path().join("san"), format!("subjectAltName={names}\n")).expect("the names");
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={file} \
             -keyout {file}.key -out {file}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san \
             -out {file}.pem"
        ));
        let path = |extension: &str| self.path().join(format!("{file}.{extension}"));
        Identity { certificate: path("pem"), key: path("key") }
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0).output();
        let output = output.expect("openssl is installed");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file with the certificate of the authority.
    pub(crate) fn file(&self) -> PathBuf {
        self.path().join("ca.pem")
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        std::fs::read(self.file()).expect("the certificate of the authority")
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.file()).expect("the certificate of the authority")
    }
}

impl Identity {
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_file(&self.certificate).expect("a certificate")]
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(&self.key).expect("a key")
    }

    /// The arguments of a server that has this certificate.
    pub(crate) fn arguments(&self) -> [&str; 4] {
        let (certificate, key) = (self.certificate.to_str(), self.key.to_str());
        ["--tls-cert", certificate.expect("a path"), "--tls-key", key.expect("a path")]
    }
}
