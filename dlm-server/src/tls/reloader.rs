//! Reads the files of TLS again when they have changed, and on demand.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::certificate::{ClientCertificate, Unparsed};
use super::config::{Loaded, TlsError, load};
use super::files::{Fingerprint, TlsFiles};
use crate::clock::wall_time;
use crate::metrics::Metrics;

/// How often the files are read. A change is applied once it was read twice the same:
/// a certificate and its key can't be replaced at one instant.
const POLL: Duration = Duration::from_secs(1);

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
#[derive(Debug)]
pub(crate) struct TlsReloader {
    files: TlsFiles,
    tls: Tls,
    metrics: Arc<Metrics>,
    /// What the last attempt read.
    loaded: Fingerprint,
    /// What the last poll read.
    polled: Fingerprint,
}

impl TlsReloader {
    /// Reads the files for the first time.
    pub(crate) fn start(files: TlsFiles, metrics: Arc<Metrics>) -> Result<Self, TlsError> {
        let snapshot = files.read();
        let Loaded { config, certificate } = load(&files, &snapshot)?;
        let loaded = snapshot.fingerprint();
        let tls = Tls(Arc::new(RwLock::new(config)));
        let reloader = Self { files, tls, metrics, polled: loaded.clone(), loaded };
        reloader.report("TLS certificate loaded", &certificate);
        Ok(reloader)
    }

    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Follows the files until `stop` is cancelled. Blocks while it reads.
    pub(crate) async fn run(mut self, mut requests: watch::Receiver<()>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = requests.changed() => self.reload(),
                () = tokio::time::sleep(POLL) => self.poll(),
            }
        }
    }

    fn poll(&mut self) {
        let now = self.files.read().fingerprint();
        if now != self.loaded && now == self.polled {
            self.reload();
        } else {
            self.polled = now;
        }
    }

    fn reload(&mut self) {
        let snapshot = self.files.read();
        self.loaded = snapshot.fingerprint();
        self.polled.clone_from(&self.loaded);
        match load(&self.files, &snapshot) {
            Ok(Loaded { config, certificate }) => {
                self.tls.replace(config);
                self.report("TLS certificate reloaded", &certificate);
            }
            Err(error) => {
                tracing::error!(%error, "TLS files refused; the certificate before stays in force");
                self.metrics.tls_refused();
            }
        }
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
