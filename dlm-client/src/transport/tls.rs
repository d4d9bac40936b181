//! TLS: which certificates are trusted.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, Error as TlsError, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

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

    /// The TLS configuration for servers that are verified with these certificates,
    /// or by the platform if there are none.
    pub(super) fn client_config(&self) -> Result<ClientConfig, TlsError> {
        if self.0.is_empty() {
            let builder = builder()?.with_platform_verifier()?;
            return Ok(for_http1(builder.with_no_client_auth()));
        }
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(self.0.iter().cloned());
        Ok(for_http1(builder()?.with_root_certificates(store).with_no_client_auth()))
    }
}

/// A configuration for servers without TLS. The HTTP library needs one for them too,
/// and the platform verifier fails on machines without certificates.
pub(super) fn unused_config() -> Result<ClientConfig, TlsError> {
    Ok(for_http1(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, TlsError> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
}

fn for_http1(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
