//! JSON Web Tokens of an issuer that the operator trusts (RFC 7519, RFC 8725).
//!
//! The signatures are verified with ring, which rustls uses too. `jsonwebtoken` is not
//! used: since the version that fixed CVE-2026-25537 it comes with AWS-LC, or with the
//! crate `rsa`, for which RUSTSEC-2023-0071 is open.
//!
//! - `keys`: the issuer's public keys, from a JWKS file
//! - `claims`: what a token says about its holder, and for how long
//! - `verified`: tokens that were verified already

mod claims;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod keys;
#[cfg(test)]
mod tests;
mod verified;

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use self::keys::{Algorithm, VerificationKey};
use self::verified::VerifiedTokens;
use super::Digest;

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwtError {
    #[error("the token is neither known nor a well-formed JWT")]
    Malformed,
    #[error("the algorithm of the JWT is not one of RS256, ES256 and EdDSA")]
    Algorithm,
    #[error("the JWT has header parameters that this server does not support")]
    Header,
    #[error("the issuer has no key with the `kid` and the algorithm of the JWT")]
    UnknownKey,
    #[error("the signature of the JWT is not valid")]
    Signature,
    /// With the name in the claim that names the principal, if there is one.
    #[error("the JWT has expired")]
    Expired(Option<Arc<str>>),
    #[error("the JWT is not valid yet")]
    NotYetValid,
    #[error("the JWT is of another issuer")]
    Issuer,
    #[error("the JWT is for another audience")]
    Audience,
    #[error("a claim of the JWT is missing or of the wrong type")]
    Claims,
}

/// An issuer of tokens, with its keys.
#[derive(Debug)]
pub(crate) struct JwtIssuer {
    issuer: String,
    audience: String,
    claim: String,
    keys: Vec<VerificationKey>,
    verified: VerifiedTokens,
}

/// What a valid token proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifiedJwt {
    /// The name in the claim that names the principal.
    pub(crate) name: Arc<str>,
    pub(crate) expires_at: SystemTime,
    /// Stands for everything that the token was accepted by: the issuer, the audience,
    /// the claim and the key.
    pub(crate) trust: Digest,
}

impl JwtIssuer {
    /// An issuer whose keys are in a JWKS file with this content.
    ///
    /// # Errors
    ///
    /// Returns why the keys can't be used.
    pub(super) fn new(issuer: String, audience: String, claim: String, jwks: &[u8]) -> Result<Self, String> {
        let keys = keys::read(jwks)?;
        Ok(Self { issuer, audience, claim, keys, verified: VerifiedTokens::default() })
    }

    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Whether two issuers accept the same tokens.
    pub(super) fn accepts_same_as(&self, other: &Self) -> bool {
        let of = |issuer: &Self| (issuer.issuer.clone(), issuer.audience.clone(), issuer.claim.clone());
        of(self) == of(other) && self.keys == other.keys
    }

    /// Verifies a token. `digest` is that of its text.
    ///
    /// # Errors
    ///
    /// Returns why the token is not accepted.
    pub(crate) fn verify(
        &self,
        token: &str,
        digest: Digest,
        now: SystemTime,
    ) -> Result<VerifiedJwt, JwtError> {
        if let Some(verified) = self.verified.get(digest, now) {
            return Ok(verified);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed);
        let key = self.key_of(&decode(header)?)?;
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        if !key.verifies(signed.as_bytes(), &signature) {
            return Err(JwtError::Signature);
        }
        let (name, expires_at) = claims::check(&payload, &self.issuer, &self.audience, &self.claim, now)?;
        let verified = VerifiedJwt { name: name.into(), expires_at, trust: self.trust(key) };
        self.verified.insert(digest, &verified, now);
        Ok(verified)
    }

    /// Whether this issuer would accept a token again that was accepted by `trust`. Its
    /// expiry is checked elsewhere.
    pub(crate) fn still_trusts(&self, trust: Digest) -> bool {
        self.keys.iter().any(|key| self.trust(key) == trust)
    }

    /// The key that has to have signed a token with this header.
    fn key_of(&self, header: &[u8]) -> Result<&VerificationKey, JwtError> {
        let header: Header = serde_json::from_slice(header).map_err(|_| JwtError::Malformed)?;
        let algorithm = Algorithm::from_name(&header.alg).ok_or(JwtError::Algorithm)?;
        let is_jwt = |typ: &String| {
            ["JWT", "at+jwt", "application/at+jwt"].iter().any(|t| t.eq_ignore_ascii_case(typ))
        };
        if header.crit.is_some() || !header.typ.as_ref().is_none_or(is_jwt) {
            return Err(JwtError::Header);
        }
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.algorithm() == algorithm && (header.kid.is_none() || key.id == header.kid));
        // Without a `kid` there must be no choice.
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            _ => Err(JwtError::UnknownKey),
        }
    }

    fn trust(&self, key: &VerificationKey) -> Digest {
        let Self { issuer, audience, claim, .. } = self;
        let key = key.digest().to_hex();
        Digest::of_parts(&[issuer.as_bytes(), audience.as_bytes(), claim.as_bytes(), key.as_bytes()])
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// Extensions that have to be understood. None are.
    crit: Option<serde::de::IgnoredAny>,
    /// They have no meaning, but have to be valid JSON, which is not checked of what is
    /// ignored.
    #[serde(flatten)]
    _others: serde_json::Map<String, serde_json::Value>,
}
