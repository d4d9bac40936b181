//! The public keys of a JWKS file.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

use crate::auth::Digest;

/// Maximum number of keys of an issuer.
const MAX_KEYS: usize = 256;
/// Sizes of RSA moduli, in bytes: 2048 to 8192 bits.
const RSA_MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
const COORDINATE: usize = 32;
const UNCOMPRESSED_POINT: u8 = 4;

/// A signature algorithm. There is no other, in particular neither `none` nor one with a
/// shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// The algorithm with this name in a header.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A public key. Its type decides the algorithm, whatever a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VerificationKey {
    /// The name of the key in headers.
    pub(super) id: Option<String>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl VerificationKey {
    pub(super) fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.material {
            Material::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            Material::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(signed, signature),
        };
        verified.is_ok()
    }

    /// A digest of the key itself, without its id.
    pub(super) fn digest(&self) -> Digest {
        match &self.material {
            Material::Rsa { n, e } => Digest::of_parts(&[b"RSA", n, e]),
            Material::P256(point) => Digest::of_parts(&[b"P-256", point]),
            Material::Ed25519(point) => Digest::of_parts(&[b"Ed25519", point]),
        }
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

/// A key as it stands in the file. Members that are not here have no meaning to this
/// server (RFC 7517).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<serde::de::IgnoredAny>,
}

/// Reads the keys of a JWKS file. Keys for other algorithms and purposes are left out:
/// issuers publish them together. The error repeats nothing of the file.
pub(super) fn read(json: &[u8]) -> Result<Vec<VerificationKey>, String> {
    let set: KeySet = serde_json::from_slice(json).map_err(|error| {
        format!(
            "line {}: not a JSON Web Key Set, an object with an array `keys` of objects with `kty`",
            error.line()
        )
    })?;
    if set.keys.len() > MAX_KEYS {
        return Err(format!("there are {} keys; at most {MAX_KEYS} are accepted", set.keys.len()));
    }
    let mut keys: Vec<VerificationKey> = Vec::new();
    for (index, jwk) in set.keys.into_iter().enumerate() {
        let number = index + 1;
        if jwk.d.is_some() {
            return Err(format!(
                "key {number} is a private key: keep it with the issuer, and list its public key"
            ));
        }
        let key = usable(jwk).map_err(|reason| format!("key {number}: {reason}"))?;
        let Some(key) = key else { continue };
        let same = |other: &&VerificationKey| other.id == key.id && other.algorithm() == key.algorithm();
        if keys.iter().any(|other| same(&other)) {
            return Err(format!("key {number}: another key has the same `kid` and algorithm"));
        }
        keys.push(key);
    }
    match keys.is_empty() {
        true => Err("there is no key for RS256, ES256 (P-256) or EdDSA (Ed25519) signatures".into()),
        false => Ok(keys),
    }
}

/// The key, if it is one for signatures of a known algorithm.
fn usable(jwk: Jwk) -> Result<Option<VerificationKey>, String> {
    let signs = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
    let verifies = jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if !signs || !verifies {
        return Ok(None);
    }
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => rsa(&jwk)?,
        ("EC", Some("P-256")) => {
            let (x, y) = (coordinate(jwk.x.as_deref(), "x")?, coordinate(jwk.y.as_deref(), "y")?);
            Material::P256([&[UNCOMPRESSED_POINT], x.as_slice(), y.as_slice()].concat())
        }
        ("OKP", Some("Ed25519")) => Material::Ed25519(coordinate(jwk.x.as_deref(), "x")?),
        _ => return Ok(None),
    };
    let key = VerificationKey { id: jwk.kid, material };
    let fits = jwk.alg.is_none_or(|alg| Algorithm::from_name(&alg) == Some(key.algorithm()));
    Ok(fits.then_some(key))
}

fn rsa(jwk: &Jwk) -> Result<Material, String> {
    let number = |text: Option<&str>, name| {
        let bytes = decode(text, name)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Ok::<_, String>(bytes[zeros..].to_vec())
    };
    let (n, e) = (number(jwk.n.as_deref(), "n")?, number(jwk.e.as_deref(), "e")?);
    if !RSA_MODULUS.contains(&n.len()) || n.first().is_some_and(|first| n.len() == 256 && *first < 0x80) {
        return Err("an RSA key must have 2048 to 8192 bits".into());
    }
    Ok(Material::Rsa { n, e })
}

fn coordinate(text: Option<&str>, name: &str) -> Result<Vec<u8>, String> {
    let bytes = decode(text, name)?;
    if bytes.len() == COORDINATE { Ok(bytes) } else { Err(format!("`{name}` must be {COORDINATE} bytes")) }
}

fn decode(text: Option<&str>, name: &str) -> Result<Vec<u8>, String> {
    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes.ok_or_else(|| format!("`{name}` must be base64url without padding"))
}
