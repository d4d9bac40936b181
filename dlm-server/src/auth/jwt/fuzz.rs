//! Fuzz target of JWTs and of JWKS files.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::{JwtError, JwtIssuer, VerifiedJwt, keys};
use crate::auth::Digest;
use crate::auth::fuzz::edited;

const NOW: u64 = 1_800_000_000;
const LEEWAY: u64 = 30;

/// A token is accepted only if the issuer signed it, for this audience, and it has not
/// expired. The first byte says what the others are.
pub fn jwt(input: &[u8]) {
    let Some((kind, input)) = input.split_first() else { return };
    let header = json!({"alg": "EdDSA", "kid": "one"}).to_string();
    let claims = json!({"iss": "https://issuer", "aud": "dlm", "sub": "api", "exp": NOW + 60}).to_string();
    let valid = || signed(header.as_bytes(), claims.as_bytes());
    match kind {
        b't' => {
            let token = String::from_utf8_lossy(input);
            assert!(verify(&token).is_err() || token == valid(), "{token}");
        }
        b'e' => {
            let token = edited(&valid(), input);
            assert_eq!(verify(&token).is_ok(), token == valid(), "{token}");
        }
        b'h' => {
            if verify(&signed(input, claims.as_bytes())).is_ok() {
                let header: Value = serde_json::from_slice(input).expect("a header");
                assert!(header["alg"] == "EdDSA" && header["crit"].is_null(), "{header}");
                assert!(header["kid"] == "one" || header["kid"].is_null(), "{header}");
            }
        }
        b'c' => {
            if let Ok(verified) = verify(&signed(header.as_bytes(), input)) {
                let claims: Value = serde_json::from_slice(input).expect("claims");
                assert!(is_acceptable(&claims), "{claims}");
                assert_eq!(claims["sub"], *verified.name);
                assert!(verified.expires_at > now());
            }
        }
        _ => {
            if let Ok(keys) = keys::read(input) {
                assert!(!keys.is_empty());
                // A key that is nonsense verifies nothing, and does not panic.
                assert!(keys.iter().all(|key| !key.verifies(b"signed", &[1; 64])));
            }
        }
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key")
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = key().sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn verify(token: &str) -> Result<VerifiedJwt, JwtError> {
    let x = URL_SAFE_NO_PAD.encode(key().public_key());
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]}).to_string();
    let issuer = JwtIssuer::new("https://issuer".into(), "dlm".into(), "sub".into(), jwks.as_bytes());
    issuer.expect("an issuer").verify(token, Digest::of(token.as_bytes()), now())
}

/// Whether claims are acceptable, checked in another way.
fn is_acceptable(claims: &Value) -> bool {
    let number = |name: &str| claims[name].as_f64();
    let audience = match &claims["aud"] {
        Value::Array(several) => several.contains(&json!("dlm")),
        only => only == "dlm",
    };
    let begun = claims.get("nbf").is_none() || number("nbf").is_some_and(|nbf| nbf <= (NOW + LEEWAY) as f64);
    claims["iss"] == "https://issuer"
        && audience
        && begun
        && number("exp").is_some_and(|exp| exp > (NOW - LEEWAY) as f64)
}
