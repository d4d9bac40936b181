//! TLS: servers with good and bad certificates.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use dlm_client::{Client, ClientBuilder, Error, GuardState, TransportKind};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::server::{ScriptedServer, SessionMode, accept_all};
use super::socket::accept_frame;

const TTL_MS: u64 = 30_000;

/// An authority, in a temporary folder.
struct Authority(tempfile::TempDir);

impl Authority {
    fn new() -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        let name = authority.path().file_name().unwrap().to_str().unwrap();
        authority.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} \
             -keyout ca.key -out ca.pem"
        ));
        authority
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0).output();
        let output = output.expect("openssl is installed");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn pem(&self) -> Vec<u8> {
        std::fs::read(self.path().join("ca.pem")).unwrap()
    }

    /// Issues a certificate for `name` (`IP:…` or `DNS:…`) that is valid for some days, or
    /// was until some days ago. Returns it with its key.
    fn issue(&self, name: &str, days: i32) -> (Vec<u8>, Vec<u8>) {
        std::fs::write(self.path().join("san"), format!("subjectAltName={name}\n")).unwrap();
        self.openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=leaf \
             -keyout leaf.key -out leaf.csr",
        );
        self.openssl(&format!(
            "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} \
             -extfile san -out leaf.pem"
        ));
        let read = |file| std::fs::read(self.path().join(file)).unwrap();
        (read("leaf.pem"), read("leaf.key"))
    }

    /// Starts a server with a certificate, as for [`issue`](Self::issue).
    fn server(&self, name: &str, days: i32) -> ScriptedServer {
        self.server_for(name, days, Arc::new(NoClientAuth))
    }

    /// Starts a server whose clients need a certificate of this authority.
    fn server_for_known_clients(&self) -> ScriptedServer {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&self.pem()).unwrap()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        self.server_for("IP:127.0.0.1", 2, verifier.unwrap())
    }

    fn server_for(&self, name: &str, days: i32, clients: Arc<dyn ClientCertVerifier>) -> ScriptedServer {
        let (certificate, key) = self.issue(name, days);
        let certificate = CertificateDer::from_pem_slice(&certificate).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_slice(&key).unwrap())
            .unwrap();
        let session = SessionMode::Open(Duration::ZERO, Box::new(|request| accept_frame(request, TTL_MS)));
        ScriptedServer::over(Some(TlsAcceptor::from(Arc::new(config))), session, accept_all(TTL_MS))
    }
}

fn builder(server: &ScriptedServer, authority: &Authority) -> ClientBuilder {
    Client::builder().address(&server.url).root_certificate(authority.pem())
}

#[tokio::test]
async fn locks_work_over_tls_with_a_certificate_of_a_private_authority() {
    let authority = Authority::new();
    let server = authority.server("IP:127.0.0.1", 2);
    assert!(server.url.starts_with("https://"));
    for kind in [TransportKind::Http, TransportKind::Session, TransportKind::Auto] {
        let client = builder(&server, &authority).transport(kind).connect().await.unwrap();
        let guard = client.lock("orders/42").await.unwrap();
        guard.renew(Duration::from_secs(30)).await.unwrap();
        assert_eq!(guard.state(), GuardState::Held);
        guard.release().await.unwrap();
        client.close(Duration::from_secs(5)).await.unwrap();
    }
    assert!(server.seen_of("acquire").iter().any(|request| request.path.starts_with("/v1/locks/")));
    assert!(server.seen_of("acquire").iter().any(|request| request.path.starts_with("session/")));
}

#[tokio::test]
async fn certificate_may_be_for_the_name_of_the_host_and_one_of_several_authorities() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = authority.server("DNS:localhost", 2);
    let url = server.url.replace("127.0.0.1", "localhost");
    for builder in [
        Client::builder().root_certificate(other.pem()).root_certificate(authority.pem()),
        Client::builder().root_certificate([other.pem(), authority.pem()].concat()),
    ] {
        let client = builder.address(&url).transport(TransportKind::Session).connect().await.unwrap();
        drop(client.lock("orders/42").await.unwrap());
    }
}

/// What connecting says, and that the caller learns all of it.
fn assert_rejected(error: &Error, says: &str, because: &str) {
    assert!(error.is_connect() && !error.is_retryable(), "{error:?}");
    assert!(error.to_string().starts_with(says), "{error}");
    let chain = format!("{error:#}");
    assert!(chain.contains(because), "{chain}");
}

#[tokio::test]
async fn bad_certificates_are_rejected_with_the_reason() {
    let (authority, other) = (Authority::new(), Authority::new());
    let cases = [
        (
            authority.server("IP:127.0.0.1", 2),
            &other,
            "is not signed by a trusted authority",
            "UnknownIssuer",
        ),
        (authority.server("IP:127.0.0.1", -1), &authority, "has expired", "expired"),
        (authority.server("DNS:other.example", 2), &authority, "is for another name", "not valid for name"),
    ];
    for (server, trusted, says, because) in &cases {
        for kind in [TransportKind::Http, TransportKind::Session, TransportKind::Auto] {
            let error = builder(server, trusted).transport(kind).connect().await.unwrap_err();
            assert_rejected(&error, &format!("the server's certificate {says}"), because);
        }
        assert!(server.seen().is_empty(), "nothing was sent");
    }
}

#[tokio::test]
async fn good_certificate_is_not_trusted_without_its_authority() {
    let authority = Authority::new();
    let server = authority.server("IP:127.0.0.1", 2);
    // With the trust store of the machine, or an error if it has none.
    let error = Client::connect(&server.url).await.unwrap_err();
    assert!(!error.is_invalid() && !error.is_retryable(), "{error:?}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn scheme_that_does_not_match_the_server_is_an_error() {
    let authority = Authority::new();
    let (with_tls, plain) = (authority.server("IP:127.0.0.1", 2), ScriptedServer::start(accept_all(TTL_MS)));
    let urls = [plain.url.replace("http:", "https:"), with_tls.url.replace("https:", "http:")];
    for url in urls {
        let builder = Client::builder().address(&url).root_certificate(authority.pem());
        let error = builder.request_timeout(Duration::from_secs(5)).connect().await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
    }
}

#[tokio::test]
async fn unreachable_https_address_is_a_connect_error() {
    let authority = Authority::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("https://{free}");
    let builder = Client::builder().address(url).root_certificate(authority.pem());
    let error = builder.connect().await.unwrap_err();
    assert!(error.is_connect() && error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn unusable_root_certificates_are_invalid() {
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "no certificate", not_a_certificate] {
        let error = Client::builder().root_certificate(pem).connect().await.unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains("root certificate"), "{error}");
    }
}

#[tokio::test]
async fn client_with_a_certificate_is_known_by_it_on_every_path() {
    let authority = Authority::new();
    let server = authority.server_for_known_clients();
    let (certificate, key) = authority.issue("DNS:api.example.org", 2);
    for kind in [TransportKind::Http, TransportKind::Session] {
        let error = builder(&server, &authority).transport(kind).connect().await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        let builder = builder(&server, &authority).client_identity(&certificate, &key);
        let client = builder.transport(kind).connect().await.unwrap();
        client.lock("orders/42").await.unwrap().release().await.unwrap();
    }
}

#[tokio::test]
async fn unusable_identity_is_invalid_and_not_shown() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("DNS:api.example.org", 2);
    let (_, other_key) = authority.issue("DNS:other.example.org", 2);
    let shown = String::from_utf8(key.clone()).unwrap().lines().nth(1).unwrap().to_owned();
    for (certificate, key, says) in [
        (&b""[..], &key[..], "it contains no certificate"),
        (&certificate, b"", "it contains no usable private key"),
        (&certificate, &certificate, "it contains no usable private key"),
        (&certificate, &other_key, "KeyMismatch"),
    ] {
        let builder = Client::builder().client_identity(certificate, key);
        let error = builder.connect().await.unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains(&shown), "{error}");
    }
    let builder = Client::builder().client_identity(&certificate, &key);
    assert!(!format!("{builder:?}").contains(&shown));
}
