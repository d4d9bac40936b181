//! Everything that a server authenticates with is replaced under load.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_client::{BearerToken, Client, ClientBuilder, GuardState, LockGuard, TransportKind};
use futures_util::future::join_all;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::TestServer;
use super::jwt::{self, claims, encode, header};
use crate::harness::{
    Api, AuthFile, Authority, Identity, TlsClient, Trust, eventually, exclusive_test_lock, principal, spawn,
};

const KINDS: [TransportKind; 3] = [TransportKind::Auto, TransportKind::Session, TransportKind::Http];
const CLIENTS: usize = 64;
const LOCKS: usize = 16;
const ROTATIONS: usize = 2;
/// Long enough for a busy machine.
const TTL: Duration = Duration::from_secs(5);

/// A key of an issuer, of which there is another one at each rotation.
struct IssuerKey {
    id: String,
    key: Ed25519KeyPair,
}

impl IssuerKey {
    fn new(rotation: usize) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { id: format!("key-{rotation}"), key: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap() }
    }

    fn public(&self) -> Value {
        let x = encode(self.key.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": x})
    }

    /// A new token of `ci`.
    fn token(&self) -> String {
        let part = |value: &Value| encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&header("EdDSA", &self.id)), part(&claims("ci")));
        format!("{signed}.{}", encode(self.key.sign(signed.as_bytes()).as_ref()))
    }
}

/// The files of a server: its certificate, its principals and the keys of an issuer.
struct Files {
    auth: AuthFile,
    authority: Authority,
}

impl Files {
    fn new(key: &IssuerKey) -> Self {
        let files = Self { auth: AuthFile::new(""), authority: Authority::new() };
        files.write_certificate(0);
        files.write_keys(&[key]);
        files.write_policy(0, &["token-0"]);
        files.write("token", "token-0\n");
        files
    }

    /// Replaces a file by renaming another one.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.auth.beside("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, self.auth.beside(name)).unwrap();
    }

    /// Puts another certificate in place. Returns it.
    fn write_certificate(&self, rotation: usize) -> Identity {
        let issued = self.authority.issue(&format!("server-{rotation}"), "IP:127.0.0.1");
        self.write("tls.key", std::fs::read(&issued.key).unwrap());
        self.write("tls.pem", std::fs::read(&issued.certificate).unwrap());
        issued
    }

    fn write_keys(&self, keys: &[&IssuerKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
        self.write("jwks.json", json!({ "keys": keys }).to_string());
    }

    /// Each rotation has a principal of its own, and a rule in another form.
    fn write_policy(&self, rotation: usize, tokens: &[&str]) {
        let rules = [("lock", if rotation.is_multiple_of(2) { "orders" } else { "orders/" })];
        let own = format!("visitor-{rotation}");
        let principals = [
            principal("api", tokens, &rules),
            principal("ci", &[], &rules),
            principal(&own, &[&own], &[("observe", "")]),
        ];
        self.auth.replace(&(principals.concat() + jwt::TABLE));
    }

    fn server(&self) -> TestServer {
        let path = |name| self.auth.beside(name).display().to_string();
        let (certificate, key) = (path("tls.pem"), path("tls.key"));
        let tls = ["--tls-cert", certificate.as_str(), "--tls-key", key.as_str()];
        TestServer::start_with(&[&["--auth-file", &self.auth.path()], &tls[..]].concat())
    }
}

/// A client that locks and unlocks all the time, and holds a lock of its own.
struct BusyClient {
    held: LockGuard,
    cycles: Arc<AtomicUsize>,
    working: tokio::task::JoinHandle<()>,
}

impl BusyClient {
    async fn start(number: usize, builder: ClientBuilder, stop: Arc<AtomicBool>) -> Self {
        let client = builder.transport(KINDS[number % KINDS.len()]).default_ttl(TTL).connect().await.unwrap();
        let held = client.lock(format!("orders/held-{number}")).await.unwrap();
        let cycles = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&cycles);
        let working = spawn(async move {
            let name = format!("orders/{}", number % LOCKS);
            while !stop.load(Ordering::SeqCst) {
                let guard = client.lock(&name).await.unwrap_or_else(|error| panic!("{number}: {error:#}"));
                guard.release().await.unwrap_or_else(|error| panic!("{number}: {error:#}"));
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { held, cycles, working }
    }

    fn cycles(&self) -> usize {
        self.cycles.load(Ordering::SeqCst)
    }
}

/// Half of the clients have a token in a file, the others tokens of the issuer.
fn authenticated(
    number: usize,
    builder: ClientBuilder,
    file: &Path,
    issuer: &Arc<Mutex<IssuerKey>>,
) -> ClientBuilder {
    if (number / KINDS.len()).is_multiple_of(2) {
        return builder.bearer_token_file(file);
    }
    let issuer = Arc::clone(issuer);
    builder.token_provider(move || {
        let token = BearerToken::new(issuer.lock().unwrap().token());
        async move { token }
    })
}

#[tokio::test]
async fn no_lock_fails_while_certificate_tokens_keys_and_policy_are_replaced_under_64_clients() {
    let _exclusive = exclusive_test_lock();
    let issuer = Arc::new(Mutex::new(IssuerKey::new(0)));
    let files = Files::new(&issuer.lock().unwrap());
    let server = files.server();
    let (url, trust) = (server.url(), Trust::new(&[&files.authority]));
    let stop = Arc::new(AtomicBool::new(false));
    let clients = join_all((0..CLIENTS).map(|number| {
        let builder = Client::builder().address(url).root_certificate(files.authority.pem());
        let builder = authenticated(number, builder, &files.auth.beside("token"), &issuer);
        BusyClient::start(number, builder, Arc::clone(&stop))
    }))
    .await;
    let api = Api::over_tls(url, trust.config());
    let who = async |token: &str| api.clone().with_token(token).get("/v1/whoami").await;
    let is = async |token: &str, status| who(token).await.status == status;
    for rotation in 1..=ROTATIONS {
        let old_token = format!("token-{}", rotation - 1);
        let new_token = format!("token-{rotation}");
        // Both credentials are accepted until all clients have the new one.
        let new_key = IssuerKey::new(rotation);
        let new_jwt = new_key.token();
        files.write_keys(&[&issuer.lock().unwrap(), &new_key]);
        files.write_policy(rotation, &[&old_token, &new_token]);
        let certificate = files.write_certificate(rotation);
        server.signal(Signal::HUP);
        eventually("the new token is accepted", || is(&new_token, 200)).await;
        eventually("the new key is accepted", || is(&new_jwt, 200)).await;
        eventually("the certificate is in force", || async {
            TlsClient::connect(url, &trust).await.server_certificate() == certificate.chain()[0]
        })
        .await;
        assert!(is(&format!("visitor-{rotation}"), 200).await, "the policy is in force");
        assert!(is(&format!("visitor-{}", rotation - 1), 401).await, "the policy before is not");
        let prefix = &who(&new_token).await.ok()["rules"][0]["prefix"];
        assert_eq!(prefix, if rotation.is_multiple_of(2) { "orders" } else { "orders/" });
        files.write("token", format!("{new_token}\n"));
        let old_key = std::mem::replace(&mut *issuer.lock().unwrap(), new_key);
        let old_jwt = old_key.token();
        assert!(is(&old_token, 200).await && is(&old_jwt, 200).await);
        files.write_keys(&[&issuer.lock().unwrap()]);
        files.write_policy(rotation, &[&new_token]);
        server.signal(Signal::HUP);
        eventually("the old token is refused", || is(&old_token, 401)).await;
        eventually("the old key is refused", || is(&old_jwt, 401)).await;
        // Every client works with the new credentials, or has failed.
        let before: Vec<usize> = clients.iter().map(BusyClient::cycles).collect();
        let all_work = || async {
            let went_on = |(client, before): (&BusyClient, &usize)| {
                client.working.is_finished() || client.cycles() >= before + 2
            };
            clients.iter().zip(&before).all(went_on)
        };
        eventually("every client goes on", all_work).await;
    }
    // All leases have to be renewed meanwhile.
    tokio::time::sleep(TTL).await;
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.working.await.expect("no lock failed");
        assert_eq!((client.held.state(), client.held.is_access_denied()), (GuardState::Held, false));
        client.held.release().await.unwrap();
    }
}
