//! TLS: which certificates are trusted, and which one the client has.

use std::fmt;
use std::sync::Arc;

use reqwest::ClientBuilder;
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ConfigBuilder, Error as TlsError, RootCertStore, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::ServerAddress;
use crate::request_error::Cause;

/// How the connections to one server are secured.
#[derive(Debug, Clone)]
pub(crate) struct TlsConfig(Arc<ClientConfig>);

impl TlsConfig {
    /// Secures a TCP connection to `host`.
    pub(super) async fn connect(&self, host: String, tcp: TcpStream) -> Result<TlsStream<TcpStream>, Cause> {
        let name = ServerName::try_from(host)?;
        Ok(TlsConnector::from(Arc::clone(&self.0)).connect(name, tcp).await?)
    }

    /// Secures HTTP connections.
    pub(super) fn apply_to(&self, http: ClientBuilder) -> ClientBuilder {
        http.tls_backend_preconfigured(ClientConfig::clone(&self.0))
    }
}

/// The certificates that servers are verified with.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedRoots(Vec<CertificateDer<'static>>);

impl TrustedRoots {
    /// Adds the certificates of a PEM file. Fails, with the reason, if there are none
    /// or one of them cannot be used.
    pub(crate) fn add_pem(&mut self, pem: &[u8]) -> Result<(), String> {
        let certificates = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| why.to_string())?;
        if certificates.is_empty() {
            return Err("it contains no certificate".into());
        }
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(|why| why.to_string())?;
        }
        self.0.extend(certificates);
        Ok(())
    }
}

/// The certificate of the client, with its key.
#[derive(Clone)]
pub(crate) struct ClientIdentity(Arc<CertifiedKey>);

impl ClientIdentity {
    /// Reads a certificate with its chain, and its key. The error does not show the key.
    pub(crate) fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, String> {
        let certificates = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| format!("the certificate cannot be read: {why}"))?;
        if certificates.is_empty() {
            return Err("it contains no certificate".into());
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "it contains no usable private key")?;
        let key = CertifiedKey::from_der(certificates, key, &ring::default_provider());
        Ok(Self(Arc::new(key.map_err(|why| why.to_string())?)))
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity(redacted)")
    }
}

/// How connections to `https` addresses are secured.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsOptions {
    /// The certificates that servers are verified with; the platform's if there are none.
    pub(crate) roots: TrustedRoots,
    pub(crate) identity: Option<ClientIdentity>,
}

impl TlsOptions {
    /// The configuration for one server.
    pub(super) fn config(&self, address: &ServerAddress) -> Result<TlsConfig, TlsError> {
        if !address.is_tls() {
            return unused_config();
        }
        if self.roots.0.is_empty() {
            return Ok(self.with_identity(builder()?.with_platform_verifier()?));
        }
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(self.roots.0.iter().cloned());
        Ok(self.with_identity(builder()?.with_root_certificates(store)))
    }

    fn with_identity(&self, builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> TlsConfig {
        for_http1(match &self.identity {
            None => builder.with_no_client_auth(),
            Some(ClientIdentity(key)) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(key))))
            }
        })
    }
}

/// A configuration for servers without TLS. The HTTP library needs one for them too,
/// and the platform verifier fails on machines without certificates.
pub(super) fn unused_config() -> Result<TlsConfig, TlsError> {
    Ok(for_http1(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
}

fn for_http1(mut config: ClientConfig) -> TlsConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConfig(Arc::new(config))
}
