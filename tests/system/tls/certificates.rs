//! Files that can't be used, and their replacement while the server runs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dlm_client::{Client, TransportKind};
use rustix::process::Signal;

use super::{SERVER, TestServer};
use crate::harness::{
    Api, Authority, Identity, MachineDelay, TlsClient, Trust, eventually, now, spawn, startup_error,
};

/// A folder as Kubernetes mounts a secret: its files are links into `..data`, which is a
/// link to a folder that is replaced by renaming.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(identity: &Identity) -> Self {
        let mount = Self(tempfile::tempdir().unwrap());
        for file in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(file), mount.0.path().join(file)).unwrap();
        }
        mount.replace("first", identity);
        mount
    }

    fn replace(&self, version: &str, identity: &Identity) {
        let folder = self.0.path().join(version);
        fs::create_dir(&folder).unwrap();
        fs::copy(&identity.certificate, folder.join("tls.crt")).unwrap();
        fs::copy(&identity.key, folder.join("tls.key")).unwrap();
        symlink(version, self.0.path().join("..new")).unwrap();
        fs::rename(self.0.path().join("..new"), self.0.path().join("..data")).unwrap();
    }

    fn identity(&self) -> Identity {
        Identity { certificate: self.0.path().join("tls.crt"), key: self.0.path().join("tls.key") }
    }
}

/// Waits until new connections get this certificate.
async fn wait_for_certificate(server: &TestServer, trust: &Trust, identity: &Identity) {
    let expected = identity.chain()[0].clone();
    eventually("the certificate is in force", || async {
        TlsClient::connect(server.url(), trust).await.server_certificate() == expected
    })
    .await;
}

#[tokio::test]
async fn certificate_is_replaced_under_load_without_a_failed_lock() {
    let delay = MachineDelay::watch();
    let (authority, next) = (Authority::new(), Authority::new());
    let (first, second, third) =
        (authority.issue("first", SERVER), next.issue("second", SERVER), next.issue("third", SERVER));
    let mount = Mount::new(&first);
    let server = TestServer::start_with(&mount.identity().arguments());
    let trust = Trust::new(&[&authority, &next]);
    let mut kept = TlsClient::connect(server.url(), &trust).await;
    // A connection without any request would be closed after ten seconds.
    kept.send(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let (stop, locked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut clients = Vec::new();
    for number in 0..16 {
        let roots = [authority.pem(), next.pem()].concat();
        let kind = if number % 2 == 0 { TransportKind::Session } else { TransportKind::Http };
        let builder = Client::builder().address(server.url()).root_certificate(roots).transport(kind);
        let (stop, locked, url) = (Arc::clone(&stop), Arc::clone(&locked), server.url().to_owned());
        let trust = trust.clone();
        clients.push(spawn(async move {
            let client = builder.connect().await.unwrap();
            while !stop.load(Ordering::Relaxed) {
                let guard = client.lock(format!("a/{}", number % 4)).await.expect("a lock");
                guard.release().await.expect("a release");
                // And on new connections.
                let api = Api::over_tls(&url, trust.config());
                assert_eq!(api.get("/v1/locks").await.status, 200);
                locked.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let some_locks = async || {
        let before = locked.load(Ordering::Relaxed);
        eventually("the clients lock", || async { locked.load(Ordering::Relaxed) > before + 50 }).await;
    };
    some_locks().await;
    let replaced = now();
    mount.replace("second", &second);
    wait_for_certificate(&server, &trust, &second).await;
    delay.assert_within("the replacement", replaced.elapsed(), Duration::from_secs(5));
    some_locks().await;
    mount.replace("third", &third);
    server.signal(Signal::HUP);
    wait_for_certificate(&server, &trust, &third).await;
    some_locks().await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no lock failed");
    }
    // A connection from before is still open.
    kept.send(super::GET_LOCKS).await;
    assert_eq!(kept.read_to_end().await.unwrap().matches("HTTP/1.1 200 ").count(), 2);
    server.logged_times("TLS certificate reloaded", 2).await;
    assert_eq!(server.logs().matches("TLS certificate reloaded").count(), 2, "{}", server.logs());
}

#[tokio::test]
async fn bad_replacement_is_refused_and_the_certificate_before_stays_in_force() {
    let authority = Authority::new();
    let (first, second) = (authority.issue("first", SERVER), authority.issue("second", SERVER));
    let folder = tempfile::tempdir().unwrap();
    let files = Identity { certificate: folder.path().join("cert"), key: folder.path().join("key") };
    fs::copy(&first.certificate, &files.certificate).unwrap();
    fs::copy(&first.key, &files.key).unwrap();
    let server = TestServer::start_with(&files.arguments());
    let trust = Trust::new(&[&authority]);
    let refusals = || server.logs().matches("TLS files refused").count();
    for (number, (certificate, says)) in [
        (fs::read(&second.certificate).unwrap(), "does not belong to the first certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(), "can't be parsed"),
        (Vec::new(), "contains no certificate"),
    ]
    .into_iter()
    .enumerate()
    {
        // Never half of it: the server may read the file at any time.
        fs::write(folder.path().join("new"), certificate).unwrap();
        fs::rename(folder.path().join("new"), &files.certificate).unwrap();
        eventually("the files are refused", || async { refusals() > number }).await;
        server.logged(says).await;
        wait_for_certificate(&server, &trust, &first).await;
    }
    fs::remove_file(&files.certificate).unwrap();
    server.signal(Signal::HUP);
    server.logged("No such file").await;
    // What is refused is reported once.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let metrics = Api::over_tls(server.url(), trust.config()).get("/metrics").await.text;
    let failed =
        metrics.lines().find_map(|line| line.strip_prefix("dlm_tls_loads_total{result=\"failed\"} "));
    let failed: usize = failed.expect("the metric").parse().unwrap();
    server.logged_times("TLS files refused", failed).await;
    assert!((4..=5).contains(&failed) && refusals() <= 5, "{failed} {}", server.logs());
    assert!(metrics.contains("dlm_tls_loads_total{result=\"ok\"} 1\n"), "{metrics}");
    fs::copy(&second.certificate, &files.certificate).unwrap();
    fs::copy(&second.key, &files.key).unwrap();
    wait_for_certificate(&server, &trust, &second).await;
}

#[tokio::test]
async fn key_that_everyone_may_read_is_reported() {
    let authority = Authority::new();
    let identity = authority.issue("server", SERVER);
    let start = |mode: u32| {
        fs::set_permissions(&identity.key, fs::Permissions::from_mode(mode)).unwrap();
        TestServer::start_with(&identity.arguments())
    };
    let private = start(0o640);
    // What it logs at its start comes before this.
    private.signal(Signal::HUP);
    private.logged("SIGHUP received").await;
    assert!(!private.logs().contains("may read the TLS key"));
    start(0o644).logged("may read the TLS key").await;
}

#[test]
fn files_and_addresses_that_can_not_be_used_are_refused_at_the_start() {
    let authority = Authority::new();
    let (server, other) = (authority.issue("server", SERVER), authority.issue("other", SERVER));
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("test.db").display());
    let (missing, empty) = (folder.path().join("missing"), folder.path().join("empty"));
    fs::write(&empty, "").unwrap();
    let refused = |arguments: &[&str], says: &str| {
        let always = ["--database-url", database.as_str(), "--listen", "127.0.0.1:0"];
        let error = startup_error(&[&always, arguments].concat());
        assert!(error.contains(says), "{says} is not in {error}");
    };
    let pair = |certificate: &Path, key: &Path, says: &str| {
        let identity = Identity { certificate: certificate.to_owned(), key: key.to_owned() };
        refused(&identity.arguments(), says);
    };
    pair(&server.certificate, &other.key, "does not belong to the first certificate in");
    pair(&missing, &server.key, "could not read");
    pair(&empty, &server.key, "empty contains no certificate");
    pair(&server.certificate, &server.certificate, "contains no private key");
    let with_pair =
        |arguments: &[&str], says: &str| refused(&[&server.arguments(), arguments].concat(), says);
    with_pair(&["--tls-client-ca", empty.to_str().unwrap()], "empty contains no certificate");
    refused(&["--listen", "https://127.0.0.1:0"], "https://127.0.0.1:0 needs a certificate");
    refused(&["--listen", "tls://127.0.0.1:0"], "the listen address tls://127.0.0.1:0 is not valid");
    with_pair(&["--listen", "0.0.0.0:0"], "no authentication is configured");
    let plaintext = ["--insecure-no-auth", "--listen", "http://0.0.0.0:0"];
    with_pair(&plaintext, "are not encrypted");
    refused(&["--probe-listen", "https://127.0.0.1:0"], "--probe-listen serves plain HTTP");
    refused(&["--trusted-proxy", "10.0.0.0/33"], "--trusted-proxy \"10.0.0.0/33\" is not a network");
}
