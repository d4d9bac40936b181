//! Tokens that are accepted, and tokens that are not.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::{JwtError, JwtIssuer, VerifiedJwt, keys};
use crate::auth::Digest;

const NOW: u64 = 1_800_000_000;
/// The keys and tokens of RFC 7515, appendices A.2 and A.3, and of RFC 8037, appendix A.4.
const RFC_KEYS: &str = r#"{"keys": [
    {"kty": "RSA", "kid": "rsa", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
    {"kty": "EC", "kid": "ec", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
]}"#;
const RFC_TOKENS: [&str; 3] = [
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
];

static KEY: LazyLock<Ed25519KeyPair> = LazyLock::new(|| {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()
});

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn public_key(id: Option<&str>) -> Value {
    let x = URL_SAFE_NO_PAD.encode(KEY.public_key());
    let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
    if let Some(id) = id {
        key["kid"] = json!(id);
    }
    key
}

fn issuer_with(keys: &[Value]) -> JwtIssuer {
    let jwks = json!({ "keys": keys }).to_string();
    JwtIssuer::new("https://issuer".into(), "dlm".into(), "sub".into(), jwks.as_bytes()).unwrap()
}

fn issuer() -> JwtIssuer {
    issuer_with(&[public_key(Some("one"))])
}

fn header() -> Value {
    json!({"alg": "EdDSA", "kid": "one", "typ": "JWT"})
}

fn claims() -> Value {
    json!({"iss": "https://issuer", "aud": "dlm", "sub": "api", "exp": NOW + 60})
}

fn token(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(KEY.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn verify(issuer: &JwtIssuer, token: &str, now: u64) -> Result<VerifiedJwt, JwtError> {
    issuer.verify(token, Digest::of(token.as_bytes()), at(now))
}

fn with(mut value: Value, member: &str, to: Value) -> Value {
    value[member] = to;
    value
}

fn without(mut value: Value, member: &str) -> Value {
    value.as_object_mut().unwrap().remove(member);
    value
}

#[test]
fn signatures_of_the_standards_are_verified() {
    let keys = keys::read(RFC_KEYS.as_bytes()).unwrap();
    for (key, token) in keys.iter().zip(RFC_TOKENS) {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verifies(signed.as_bytes(), &signature), "{:?}", key.algorithm());
        for index in 0..signature.len() {
            let mut broken = signature.clone();
            broken[index] ^= 1;
            assert!(!key.verifies(signed.as_bytes(), &broken), "{:?} {index}", key.algorithm());
        }
        assert!(!key.verifies(&signed.as_bytes()[1..], &signature));
        let others = keys.iter().filter(|other| other.id != key.id);
        assert!(others.into_iter().all(|other| !other.verifies(signed.as_bytes(), &signature)));
        assert!(!key.verifies(signed.as_bytes(), &[]) && !key.verifies(signed.as_bytes(), &[0; 64]));
    }
}

#[test]
fn a_valid_token_names_its_holder_until_it_expires() {
    let issuer = issuer();
    let token = token(&header(), &claims());
    let verified = verify(&issuer, &token, NOW).unwrap();
    assert_eq!((&*verified.name, verified.expires_at), ("api", at(NOW + 90)));
    // From memory, and not beyond its end.
    assert_eq!(verify(&issuer, &token, NOW + 89), Ok(verified));
    assert_eq!(verify(&issuer, &token, NOW + 90), Err(JwtError::Expired(Some("api".into()))));
}

#[test]
fn claims_are_checked_and_never_skipped() {
    let issuer = issuer();
    let in_an_hour = json!(NOW + 3600);
    for (claims, error) in [
        (without(claims(), "exp"), JwtError::Claims),
        (with(claims(), "exp", json!((NOW + 60).to_string())), JwtError::Claims),
        (with(claims(), "exp", json!(null)), JwtError::Claims),
        (with(claims(), "exp", json!(-1)), JwtError::Claims),
        (with(claims(), "exp", json!(1e300)), JwtError::Claims),
        (with(claims(), "exp", json!(NOW - 31)), JwtError::Expired(Some("api".into()))),
        (with(claims(), "nbf", in_an_hour), JwtError::NotYetValid),
        (with(claims(), "nbf", json!("99999999999")), JwtError::Claims),
        (with(claims(), "nbf", json!(null)), JwtError::Claims),
        (without(claims(), "iss"), JwtError::Claims),
        (with(claims(), "iss", json!("https://issuer/")), JwtError::Issuer),
        (with(claims(), "iss", json!(["https://issuer"])), JwtError::Claims),
        (without(claims(), "aud"), JwtError::Claims),
        (with(claims(), "aud", json!("DLM")), JwtError::Audience),
        (with(claims(), "aud", json!([])), JwtError::Audience),
        (with(claims(), "aud", json!(["dlm", 1])), JwtError::Claims),
        (without(claims(), "sub"), JwtError::Claims),
        (with(claims(), "sub", json!(["api"])), JwtError::Claims),
        (json!(["api"]), JwtError::Claims),
    ] {
        assert_eq!(verify(&issuer, &token(&header(), &claims), NOW), Err(error), "{claims}");
    }
    for claims in [
        with(claims(), "exp", json!(NOW - 29)),
        with(claims(), "exp", json!(NOW as f64 + 0.5)),
        with(claims(), "nbf", json!(NOW + 30)),
        with(claims(), "aud", json!(["other", "dlm"])),
    ] {
        assert!(verify(&issuer, &token(&header(), &claims), NOW).is_ok(), "{claims}");
    }
}

#[test]
fn a_header_can_not_choose_how_its_token_is_verified() {
    let issuer = issuer();
    for (header, error) in [
        (with(header(), "alg", json!("none")), JwtError::Algorithm),
        (with(header(), "alg", json!("HS256")), JwtError::Algorithm),
        (with(header(), "alg", json!("eddsa")), JwtError::Algorithm),
        (with(header(), "alg", json!("RS256")), JwtError::UnknownKey),
        (with(header(), "alg", json!("ES256")), JwtError::UnknownKey),
        (without(header(), "alg"), JwtError::Malformed),
        (with(header(), "kid", json!("two")), JwtError::UnknownKey),
        (with(header(), "kid", json!(1)), JwtError::Malformed),
        (with(header(), "crit", json!(["b64"])), JwtError::Header),
        (with(header(), "typ", json!("dpop+jwt")), JwtError::Header),
    ] {
        assert_eq!(verify(&issuer, &token(&header, &claims()), NOW), Err(error), "{header}");
    }
    // Neither a key nor a URL of one in the header is looked at.
    let own_key = with(with(header(), "jwk", public_key(None)), "kid", json!("two"));
    assert_eq!(verify(&issuer, &token(&own_key, &claims()), NOW), Err(JwtError::UnknownKey));
    for header in [without(header(), "kid"), without(header(), "typ"), with(header(), "typ", json!("at+JWT"))]
    {
        assert!(verify(&issuer, &token(&header, &claims()), NOW).is_ok(), "{header}");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    use hmac::{Hmac, KeyInit, Mac};
    let issuer = issuer();
    let jwk = public_key(Some("one")).to_string();
    let pem = STANDARD.encode(KEY.public_key());
    for secret in [KEY.public_key().as_ref(), jwk.as_bytes(), pem.as_bytes()] {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        for alg in ["HS256", "EdDSA"] {
            let signed = format!("{}.{}", encode(&with(header(), "alg", json!(alg))), encode(&claims()));
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
            mac.update(signed.as_bytes());
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
            let refused = verify(&issuer, &token, NOW).unwrap_err();
            assert!(matches!(refused, JwtError::Algorithm | JwtError::Signature), "{refused}");
        }
    }
}

#[test]
fn what_was_not_signed_is_refused() {
    let issuer = issuer();
    let valid = token(&header(), &claims());
    let parts: Vec<&str> = valid.split('.').collect();
    let admin = URL_SAFE_NO_PAD.encode(with(claims(), "sub", json!("admin")).to_string());
    let changed = format!("{}.{admin}.{}", parts[0], parts[2]);
    assert_eq!(verify(&issuer, &changed, NOW), Err(JwtError::Signature));
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert_eq!(verify(&issuer, &unsigned, NOW), Err(JwtError::Signature));
    for malformed in
        ["", ".", "..", "a", "a.b", "a.b.c", "....", &format!("{valid}.x"), &format!("{valid}="), &valid[1..]]
    {
        assert!(verify(&issuer, malformed, NOW).is_err(), "{malformed}");
    }
    for index in 0..valid.len() {
        let mut bytes = valid.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'Q' } else { b'A' };
        let broken = String::from_utf8(bytes).unwrap();
        assert!(verify(&issuer, &broken, NOW).is_err(), "{index}: {broken}");
    }
}

#[test]
fn without_a_kid_there_must_be_one_key_only() {
    let several = issuer_with(&[public_key(Some("one")), public_key(Some("two"))]);
    let token = token(&without(header(), "kid"), &claims());
    assert_eq!(verify(&several, &token, NOW), Err(JwtError::UnknownKey));
    assert!(verify(&issuer_with(&[public_key(None)]), &token, NOW).is_ok());
}

#[test]
fn trust_ends_with_the_key_the_issuer_the_audience_or_the_claim() {
    let jwks = json!({"keys": [public_key(Some("one"))]}).to_string();
    let new = |issuer: &str, audience: &str, claim: &str, jwks: &str| {
        JwtIssuer::new(issuer.into(), audience.into(), claim.into(), jwks.as_bytes()).unwrap()
    };
    let before = new("https://issuer", "dlm", "sub", &jwks);
    let trust = verify(&before, &token(&header(), &claims()), NOW).unwrap().trust;
    let renamed = jwks.replace("one", "two");
    assert!(before.still_trusts(trust) && new("https://issuer", "dlm", "sub", &renamed).still_trusts(trust));
    for after in [
        new("https://other", "dlm", "sub", &jwks),
        new("https://issuer", "other", "sub", &jwks),
        new("https://issuer", "dlm", "email", &jwks),
        new("https://issuer", "dlm", "sub", RFC_KEYS),
    ] {
        assert!(!after.still_trusts(trust));
    }
}

#[test]
fn keys_for_other_purposes_are_left_out() {
    let key = || public_key(Some("one"));
    for unused in [
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "AA"}),
        with(key(), "use", json!("enc")),
        with(key(), "key_ops", json!(["sign"])),
        with(key(), "alg", json!("RS256")),
    ] {
        assert!(keys::read(json!({"keys": [unused]}).to_string().as_bytes()).is_err(), "{unused}");
        let used = json!({"keys": [unused, key()], "more": 1}).to_string();
        assert_eq!(keys::read(used.as_bytes()).unwrap().len(), 1);
    }
    let marked =
        with(with(with(key(), "use", json!("sig")), "key_ops", json!(["verify"])), "alg", json!("EdDSA"));
    assert_eq!(keys::read(json!({"keys": [marked]}).to_string().as_bytes()).unwrap().len(), 1);
}

#[test]
fn unusable_key_files_are_refused_and_nothing_of_them_is_repeated() {
    let key = || public_key(Some("one"));
    let short = URL_SAFE_NO_PAD.encode([0xff; 128]);
    for (jwks, reason) in [
        (json!([]), "not a JSON Web Key Set"),
        (json!({"keys": ["CANARY"]}), "not a JSON Web Key Set"),
        (json!({"keys": [{"kty": 1, "CANARY": "CANARY"}]}), "not a JSON Web Key Set"),
        (json!({"keys": []}), "no key for RS256"),
        (json!({"keys": [with(key(), "x", json!("CANARYAA"))]}), "key 1: `x` must be 32 bytes"),
        (json!({"keys": [with(key(), "x", json!("CANARY="))]}), "`x` must be base64url"),
        (json!({"keys": [without(key(), "x")]}), "`x` must be base64url"),
        (json!({"keys": [key(), key()]}), "key 2: another key has the same `kid`"),
        (json!({"keys": [with(key(), "d", json!("CANARY"))]}), "key 1 is a private key"),
        (json!({"keys": [{"kty": "RSA", "n": short, "e": "AQAB"}]}), "2048 to 8192 bits"),
        (json!({"keys": vec![key(); 257]}), "257 keys"),
    ] {
        let error = keys::read(jwks.to_string().as_bytes()).unwrap_err();
        assert!(error.contains(reason) && !error.contains("CANARY"), "{error} does not say: {reason}");
    }
}

proptest::proptest! {
    #[test]
    fn verifying_never_panics(token in "[A-Za-z0-9_.=-]{0,200}") {
        drop(verify(&issuer(), &token, NOW));
    }

    #[test]
    fn signed_nonsense_never_panics(header in ".{0,100}", payload in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        drop(verify(&issuer(), &format!("{}.{}.AA", encode(header.as_bytes()), encode(&payload)), NOW));
        let signed = format!("{}.{}", encode(self::header().to_string().as_bytes()), encode(&payload));
        let token = format!("{signed}.{}", encode(KEY.sign(signed.as_bytes()).as_ref()));
        proptest::prop_assert!(verify(&issuer(), &token, NOW).is_err());
    }
}
