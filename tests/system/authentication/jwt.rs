//! Tokens of an issuer, signed as issuers sign them.

use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

use super::{TestServer, api};
use crate::harness::{AuthFile, WebSocket, eventually, principal, wall_clock_micros};

pub(super) const TABLE: &str =
    "[jwt]\nissuer = \"https://issuer.example\"\naudience = \"dlm\"\njwks_file = \"jwks.json\"\n";

/// The keys of an issuer.
struct Issuer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::new);
/// Another one, whose keys have the same ids.
static STRANGER: LazyLock<Issuer> = LazyLock::new(Issuer::new);

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        // ring can't make RSA keys.
        let rsa = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER"])
            .output()
            .expect("openssl runs");
        assert!(rsa.status.success(), "{rsa:?}");
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            rsa: RsaKeyPair::from_der(&rsa.stdout).or_else(|_| RsaKeyPair::from_pkcs8(&rsa.stdout)).unwrap(),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap(),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
        }
    }

    /// The public keys, as the issuer publishes them.
    fn jwks(&self) -> Value {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let point = self.ec.public_key().as_ref();
        json!({"keys": [
            {"kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256", "n": encode(&n), "e": encode(&e)},
            {"kty": "EC", "kid": "ec", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])},
            {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": encode(self.ed.public_key().as_ref())},
        ]})
    }

    /// Signs claims with the key of this id, whatever the header says.
    fn sign(&self, key: &str, header: &Value, claims: &Value) -> String {
        let signed =
            format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let (random, bytes) = (SystemRandom::new(), signed.as_bytes());
        let signature = match key {
            "rsa" => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).unwrap();
                signature
            }
            "ec" => self.ec.sign(&random, bytes).unwrap().as_ref().to_vec(),
            _ => self.ed.sign(bytes).as_ref().to_vec(),
        };
        format!("{signed}.{}", encode(&signature))
    }
}

pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn header(alg: &str, kid: &str) -> Value {
    json!({"alg": alg, "kid": kid, "typ": "JWT"})
}

fn now() -> i64 {
    wall_clock_micros() / 1_000_000
}

pub(super) fn claims(name: &str) -> Value {
    json!({"iss": "https://issuer.example", "aud": "dlm", "sub": name, "exp": now() + 60, "iat": now()})
}

fn with(mut value: Value, member: &str, to: Value) -> Value {
    value[member] = to;
    value
}

/// A token of `ci` that is valid.
pub(super) fn valid() -> String {
    ISSUER.sign("ed", &header("EdDSA", "ed"), &claims("ci"))
}

/// An auth file whose principals need no secret of the server.
pub(super) fn auth_file(more: &str) -> AuthFile {
    let file = AuthFile::new("");
    write_keys(&file, &ISSUER);
    file.replace(&content(more));
    file
}

fn write_keys(file: &AuthFile, issuer: &Issuer) {
    fs::write(file.beside("jwks.json"), issuer.jwks().to_string()).unwrap();
}

pub(super) fn content(more: &str) -> String {
    let jwt = format!("{TABLE}{more}");
    [principal("ci", &[], &[("lock", "builds/")]), principal("ops", &["ops-token"], &[("admin", "")]), jwt]
        .concat()
}

/// The table `[jwt]` of an auth file. The keys are written beside the file.
pub(super) fn table(file: &AuthFile) -> &'static str {
    write_keys(file, &ISSUER);
    TABLE
}

/// A valid token of a principal.
pub(super) fn of(name: &str) -> String {
    ISSUER.sign("ed", &header("EdDSA", "ed"), &with(claims(name), "exp", json!(now() + 600)))
}

async fn status(server: &TestServer, token: &str) -> u16 {
    api(server, token).get("/v1/whoami").await.status
}

#[tokio::test]
async fn tokens_of_the_issuer_are_accepted_with_each_algorithm() {
    let file = auth_file("");
    let server = super::server(&file);
    for (alg, kid) in [("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
        let token = ISSUER.sign(kid, &header(alg, kid), &claims("ci"));
        let who = api(&server, &token).get("/v1/whoami").await.ok();
        assert_eq!(who["principal"], "ci", "{alg}");
        assert!(who["expires_at"].is_string());
        let client = api(&server, &token);
        let lease = client.lock("builds/1", &crate::harness::Acquire::exclusive()).await;
        client.release("builds/1", &lease).await.ok();
        client.acquire("other", &crate::harness::Acquire::exclusive()).await.problem(403, "forbidden");
        let without_id =
            ISSUER.sign(kid, &json!({"alg": alg}), &with(claims("ci"), "aud", json!(["x", "dlm"])));
        assert_eq!(status(&server, &without_id).await, 200, "{alg}");
    }
    WebSocket::with_token(server.url(), "/v1/session", "dlm.session.v1", &valid()).await.unwrap();
}

#[tokio::test]
async fn use_of_an_expired_jwt_is_recorded_with_its_principal() {
    let file = auth_file("");
    let log = file.beside("audit.jsonl");
    let arguments = ["--auth-file", &file.path(), "--audit-log", log.to_str().unwrap()];
    let server = TestServer::start_with(&arguments);
    let expired =
        |name| ISSUER.sign("ed", &header("EdDSA", "ed"), &with(claims(name), "exp", json!(now() - 60)));
    for (name, principal) in [("ci", json!("ci")), ("nobody", Value::Null)] {
        fs::write(&log, "").unwrap();
        assert_eq!(status(&server, &expired(name)).await, 401);
        let record = || serde_json::from_str::<Value>(&fs::read_to_string(&log).unwrap());
        eventually("it is recorded", || async { record().is_ok() }).await;
        let record = record().unwrap();
        assert_eq!((&record["code"], &record["principal"]), (&json!("expired_jwt"), &principal), "{record}");
    }
}

#[tokio::test]
async fn every_other_jwt_is_refused() {
    let file = auth_file("");
    let server = super::server(&file);
    let ed = || header("EdDSA", "ed");
    let sign = |header: &Value, claims: &Value| ISSUER.sign("ed", header, claims);
    let none = |alg: &str| {
        let header = header(alg, "ed").to_string();
        format!("{}.{}.", encode(header.as_bytes()), encode(claims("ci").to_string().as_bytes()))
    };
    let hs256 = |secret: &[u8]| {
        let header = header("HS256", "rsa").to_string();
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims("ci").to_string().as_bytes()));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        format!("{signed}.{}", encode(ring::hmac::sign(&key, signed.as_bytes()).as_ref()))
    };
    let changed = {
        let (token, other) = (valid(), sign(&ed(), &claims("ops")));
        let parts: Vec<_> = token.split('.').collect();
        format!("{}.{}.{}", parts[0], other.split('.').nth(1).unwrap(), parts[2])
    };
    let jwks = ISSUER.jwks();
    let long = "x".repeat(300);
    for (what, token) in [
        ("none", none("none")),
        ("None", none("None")),
        ("no signature", none("EdDSA")),
        ("HS256 with the public key", hs256(ISSUER.rsa.public_key().as_ref())),
        ("HS256 with the modulus", hs256(jwks["keys"][0]["n"].as_str().unwrap().as_bytes())),
        ("HS256 with the key as JSON", hs256(jwks["keys"][0].to_string().as_bytes())),
        ("another algorithm", sign(&header("RS256", "ed"), &claims("ci"))),
        ("another key type", sign(&header("ES256", "ec"), &claims("ci"))),
        ("an unknown key", sign(&header("EdDSA", "other"), &claims("ci"))),
        ("the key of a stranger", STRANGER.sign("ed", &ed(), &claims("ci"))),
        ("other claims", changed),
        ("expired", sign(&ed(), &with(claims("ci"), "exp", json!(now() - 60)))),
        ("without expiry", sign(&ed(), &with(claims("ci"), "exp", json!(null)))),
        ("an expiry as text", sign(&ed(), &with(claims("ci"), "exp", json!("9999999999")))),
        ("not yet valid", sign(&ed(), &with(claims("ci"), "nbf", json!(now() + 120)))),
        ("another audience", sign(&ed(), &with(claims("ci"), "aud", json!("other")))),
        ("another issuer", sign(&ed(), &with(claims("ci"), "iss", json!("https://issuer.example.org")))),
        ("a principal that is not in the file", sign(&ed(), &claims("stranger"))),
        ("the system", sign(&ed(), &claims("system"))),
        ("nobody", sign(&ed(), &claims(""))),
        ("a name of 300 bytes", sign(&ed(), &claims(&long))),
        ("a name that is a number", sign(&ed(), &with(claims("ci"), "sub", json!(1)))),
        ("9 KiB", sign(&ed(), &with(claims("ci"), "more", json!("x".repeat(9 * 1024))))),
    ] {
        let refused = api(&server, &token).get("/v1/whoami").await;
        refused.problem(401, "unauthenticated");
        assert_eq!(refused.headers["www-authenticate"], "Bearer error=\"invalid_token\"", "{what}");
    }
    assert_eq!(status(&server, &valid()).await, 200);
    let ops = api(&server, "ops-token");
    let refused = |reason| format!("dlm_authentication_failures_total{{reason=\"{reason}\"}}");
    assert_eq!(ops.metric(&refused("unknown_principal")).await, Some(4.0));
    assert_eq!(ops.metric(&refused("malformed")).await, Some(1.0));
    assert_eq!(ops.metric(&refused("invalid_jwt")).await, Some(18.0));
}

#[tokio::test]
async fn another_claim_can_name_the_principal() {
    let file = auth_file("claim = \"https://example.org/dlm\"\n");
    let server = super::server(&file);
    let sign = |claims: &Value| ISSUER.sign("ed", &header("EdDSA", "ed"), claims);
    assert_eq!(status(&server, &sign(&with(claims("x"), "https://example.org/dlm", json!("ci")))).await, 200);
    assert_eq!(status(&server, &sign(&claims("ci"))).await, 401);
}

#[tokio::test]
async fn keys_are_replaced_while_the_server_runs() {
    let file = auth_file("");
    let server = super::server(&file);
    let token = valid();
    let mut session =
        WebSocket::with_token(server.url(), "/v1/session", "dlm.session.v1", &token).await.unwrap();
    let mut of_ops =
        WebSocket::with_token(server.url(), "/v1/session", "dlm.session.v1", "ops-token").await.unwrap();
    write_keys(&file, &STRANGER);
    assert_eq!(session.close_code().await, 4401);
    assert_eq!(status(&server, &token).await, 401, "the verified token was forgotten");
    let of_new_keys = STRANGER.sign("ec", &header("ES256", "ec"), &claims("ci"));
    assert_eq!(status(&server, &of_new_keys).await, 200);
    fs::write(file.beside("jwks.json"), "{\"keys\": []}").unwrap();
    let refused = "jwks.json (`jwks_file` in ";
    server.logged(refused).await;
    assert_eq!(status(&server, &of_new_keys).await, 200);
    // A principal that is no longer in the file is refused at once.
    write_keys(&file, &STRANGER);
    file.replace(&content("").replace("\"ci\"", "\"other\""));
    eventually("the principal is gone", || async { status(&server, &of_new_keys).await == 401 }).await;
    let alive = of_ops.request("status", json!({"resource": "a"})).await;
    assert_eq!(alive["status"]["state"], "free", "{alive}");
}

#[tokio::test]
async fn a_socket_is_closed_when_its_jwt_expires() {
    let file = auth_file("");
    let server = super::server(&file);
    // With the leeway it is valid for two seconds more.
    let claims = with(claims("ci"), "exp", json!(now() - 28));
    let token = ISSUER.sign("ed", &header("EdDSA", "ed"), &claims);
    let mut events =
        WebSocket::with_token(server.url(), "/v1/events", "dlm.events.v1", &token).await.unwrap();
    assert_eq!(events.close_code().await, 4401);
    assert_eq!(status(&server, &token).await, 401);
}
