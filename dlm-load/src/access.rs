//! What the load generator needs to use the servers: a token, and the authorities that it
//! trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dlm_client::{BearerToken, Client, ClientBuilder};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::BoxError;

/// A token and the trusted authorities. Without a token, requests have no credential;
/// without authorities, those of the platform are trusted.
#[derive(Clone, Default)]
pub(crate) struct Access {
    token: Option<TokenSource>,
    authorities: Option<Vec<u8>>,
}

#[derive(Clone)]
enum TokenSource {
    Fixed(String),
    /// A file that may be replaced during the run.
    File(PathBuf),
}

impl Access {
    /// Access with this token.
    pub(crate) fn with_token(mut self, token: String) -> Self {
        self.token = Some(TokenSource::Fixed(token));
        self
    }

    /// Access with the token in this file.
    pub(crate) fn with_token_file(mut self, file: PathBuf) -> Self {
        self.token = Some(TokenSource::File(file));
        self
    }

    /// Trusts the authorities in this PEM file only.
    pub(crate) fn trusting(mut self, file: &Path) -> Result<Self, BoxError> {
        let pem = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        self.authorities = Some(pem);
        Ok(self)
    }

    /// The builder of a client with this access.
    pub(crate) fn client(&self) -> Result<ClientBuilder, BoxError> {
        let mut builder = Client::builder();
        builder = match &self.token {
            None => builder,
            Some(TokenSource::Fixed(token)) => builder.bearer_token(BearerToken::new(token.clone())?),
            Some(TokenSource::File(file)) => builder.bearer_token_file(file),
        };
        if let Some(pem) = &self.authorities {
            builder = builder.root_certificate(pem);
        }
        Ok(builder)
    }

    /// The value of the header `Authorization`.
    pub(crate) fn authorization(&self) -> Result<Option<String>, BoxError> {
        let token = match &self.token {
            None => return Ok(None),
            Some(TokenSource::Fixed(token)) => token.clone(),
            Some(TokenSource::File(file)) => std::fs::read_to_string(file)
                .map_err(|error| format!("the token file {}: {error}", file.display()))?,
        };
        Ok(Some(format!("Bearer {}", token.trim())))
    }

    /// How the certificates of servers are verified, if they have any. HTTP/1.1 is spoken.
    pub(crate) fn tls(&self, have_certificates: bool) -> Result<ClientConfig, BoxError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?;
        let mut config = match &self.authorities {
            // The platform verifier fails on machines without authorities.
            None if !have_certificates => {
                builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
            }
            None => builder.with_platform_verifier()?.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    roots.add(certificate?)?;
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}
