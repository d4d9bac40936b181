//! The webhook: messages that are sent to a URL, signed, and repeated until they arrive.
//!
//! - `delivery`: sends messages one after the other, and retries

mod delivery;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::BuilderVerifierExt;
use sha2::Sha256;

use crate::metrics::Metrics;

pub(crate) use delivery::{Delivery, WebhookQueue};

/// The shortest secret, in bytes.
const MIN_SECRET: usize = 16;
/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where to report troubles.
#[derive(Clone)]
pub struct WebhookOptions {
    /// `https://…` or `http://…`. It may contain a secret, so it is neither logged nor formatted.
    pub url: String,
    /// A file with the secret that messages are signed with, at least 16 bytes. White space at
    /// its end does not count.
    pub secret_file: PathBuf,
}

impl fmt::Debug for WebhookOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookOptions").field("secret_file", &self.secret_file).finish_non_exhaustive()
    }
}

/// Why a webhook can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The URL is not one, or not of HTTP.
    #[error("--webhook must be a URL that begins with https:// or http://")]
    Url,
    /// The file with the secret can't be read.
    #[error("the secret of the webhook can't be read from {path}: {source}")]
    SecretFile {
        /// Its path.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The secret is too short to sign with.
    #[error("the secret of the webhook in {path} must have at least {MIN_SECRET} bytes")]
    ShortSecret {
        /// The path of its file.
        path: String,
    },
    /// The certificates of the system can't be used.
    #[error("the webhook can't be reached over TLS: {0}")]
    Tls(String),
}

/// A webhook that can be sent to.
pub(crate) struct Webhook {
    client: Client,
    url: Url,
    key: Hmac<Sha256>,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

impl Webhook {
    /// Reads the secret, and checks the options. Nothing is sent.
    pub(crate) fn open(options: &WebhookOptions, metrics: Arc<Metrics>) -> Result<Self, WebhookError> {
        let url = Url::parse(&options.url).map_err(|_| WebhookError::Url)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(WebhookError::Url);
        }
        let path = || options.secret_file.display().to_string();
        let secret = std::fs::read(&options.secret_file)
            .map_err(|source| WebhookError::SecretFile { path: path(), source })?;
        let secret = secret.trim_ascii_end();
        if secret.len() < MIN_SECRET {
            return Err(WebhookError::ShortSecret { path: path() });
        }
        let key = Hmac::new_from_slice(secret).expect("an HMAC takes a key of any length");
        let client = client().map_err(|error| WebhookError::Tls(error.to_string()))?;
        Ok(Self { client, url, key, metrics })
    }

    /// The signature of a body, as the header has it.
    fn signature(&self, body: &[u8]) -> String {
        let mut mac = self.key.clone();
        mac.update(body);
        let digest = mac.finalize().into_bytes();
        digest.iter().fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }
}

/// A client that trusts the authorities of the system. It goes to the URL that was given, and
/// nowhere else.
fn client() -> Result<Client, Box<dyn std::error::Error>> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .timeout(TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        .user_agent(concat!("dlm-server/", env!("CARGO_PKG_VERSION")));
    Ok(client.build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(url: &str, secret: &str) -> Result<Webhook, WebhookError> {
        let directory = tempfile::tempdir().unwrap();
        let secret_file = directory.path().join("secret");
        std::fs::write(&secret_file, secret).unwrap();
        let options = WebhookOptions { url: url.into(), secret_file };
        Webhook::open(&options, Metrics::new())
    }

    #[test]
    fn body_is_signed_with_the_secret_without_its_newline() {
        // Made with `printf body | openssl dgst -sha256 -hmac 0123456789abcdef`.
        let expected = "sha256=c34c3195f4d0282ae2dee7ddba19f07877594896ece7578eed7044843650c708";
        for secret in ["0123456789abcdef", "0123456789abcdef\n"] {
            assert_eq!(open("https://example.org/hook", secret).unwrap().signature(b"body"), expected);
        }
    }

    #[test]
    fn url_and_secret_are_checked() {
        for url in ["", "example.org", "ftp://example.org", "https://"] {
            assert!(matches!(open(url, "0123456789abcdef"), Err(WebhookError::Url)), "{url}");
        }
        assert!(matches!(open("http://example.org", "short\n"), Err(WebhookError::ShortSecret { .. })));
    }
}
