//! Reads the files of TLS again when they have changed, and on demand.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::{ClientCertificate, Unparsed};
use super::config::{Loaded, TlsError, load};
use super::files::{Fingerprint, TlsFiles};
use crate::audit::{Audit, AuditOutcome, Record};
use crate::clock::wall_time;
use crate::metrics::Metrics;
use crate::reload::{Followed, Reloader};

/// The configuration in force. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Tls(Arc<RwLock<Arc<ServerConfig>>>);

impl Tls {
    /// Accepts one connection with the configuration that is in force now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }

    fn replace(&self, config: Arc<ServerConfig>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

/// The certificate that the client of a connection presented, if it did.
pub(crate) fn client_certificate<IO>(stream: &TlsStream<IO>) -> Result<Option<ClientCertificate>, Unparsed> {
    let (_, session) = stream.get_ref();
    let presented = session.peer_certificates().and_then(<[_]>::first);
    presented.map(|der| ClientCertificate::parse(der)).transpose()
}

/// Keeps the configuration up to date with its files.
pub(crate) type TlsReloader = Reloader<FollowedTls>;

/// The files of TLS, and the configuration in force.
#[derive(Debug)]
pub(crate) struct FollowedTls {
    files: TlsFiles,
    tls: Tls,
    metrics: Arc<Metrics>,
    audit: Audit,
}

impl TlsReloader {
    /// Reads the files for the first time.
    pub(crate) fn start(files: TlsFiles, metrics: Arc<Metrics>, audit: Audit) -> Result<Self, TlsError> {
        let snapshot = files.read();
        let Loaded { config, certificate } = load(&files, &snapshot)?;
        let tls = Tls(Arc::new(RwLock::new(config)));
        let followed = FollowedTls { files, tls, metrics, audit };
        followed.report("TLS certificate loaded", &certificate);
        Ok(Self::new(followed, snapshot.fingerprint()))
    }

    pub(crate) fn tls(&self) -> Tls {
        self.files().tls.clone()
    }
}

impl Followed for FollowedTls {
    type Content = Fingerprint;

    fn content(&self, _: &Fingerprint) -> Fingerprint {
        self.files.read().fingerprint()
    }

    fn reload(&mut self) -> Fingerprint {
        let snapshot = self.files.read();
        match load(&self.files, &snapshot) {
            Ok(Loaded { config, certificate }) => {
                self.tls.replace(config);
                self.report("TLS certificate reloaded", &certificate);
                let (names, expires) = (certificate.joined_names(), certificate.not_after);
                let expires = humantime::format_rfc3339_seconds(expires);
                self.record(AuditOutcome::Succeeded, &format!("valid until {expires}, for {names}"));
            }
            Err(error) => {
                tracing::error!(%error, "TLS files refused; the certificate before stays in force");
                self.metrics.tls_refused();
                self.record(AuditOutcome::Failed, &error.to_string());
            }
        }
        snapshot.fingerprint()
    }
}

impl FollowedTls {
    fn record(&self, outcome: AuditOutcome, what: &str) {
        self.audit.record_reserved(&Record::of_reload("reload_tls", outcome, what));
    }

    fn report(&self, what: &'static str, certificate: &ClientCertificate) {
        let (names, not_after) = (certificate.joined_names(), certificate.not_after);
        let expires = humantime::format_rfc3339_seconds(not_after);
        tracing::info!(file = %self.files.certificate.display(), names, %expires, "{what}");
        if not_after <= wall_time() {
            tracing::warn!(%expires, "the TLS certificate has expired: clients will refuse it");
        }
        if self.files.key_is_readable_by_others() {
            let file = self.files.key.display();
            tracing::warn!(%file, "every user of this machine may read the TLS key; set its mode to 0600 or 0640");
        }
        self.metrics.tls_loaded(not_after);
    }
}
