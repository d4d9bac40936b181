//! What callers prove with that they are a principal.

use std::collections::HashMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::jwt::JwtIssuer;
use super::{Digest, Principal};

/// Maximum length of a name in a certificate.
const MAX_CERTIFICATE_NAME: usize = 1024;

/// The credentials of all principals.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    tokens: HashMap<Digest, Token>,
    certificates: HashMap<CertificateName, Principal>,
    issuer: Option<JwtIssuer>,
}

/// A bearer token, of which only the digest is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) principal: Principal,
    pub(super) expires_at: Option<SystemTime>,
}

impl Credentials {
    pub(super) fn add_token(&mut self, digest: Digest, principal: Principal, expires_at: Option<SystemTime>) {
        self.tokens.insert(digest, Token { principal, expires_at });
    }

    pub(super) fn add_certificate(&mut self, name: CertificateName, principal: Principal) {
        self.certificates.insert(name, principal);
    }

    pub(super) fn set_issuer(&mut self, issuer: JwtIssuer) {
        self.issuer = Some(issuer);
    }

    pub(super) fn token(&self, digest: Digest) -> Option<&Token> {
        self.tokens.get(&digest)
    }

    /// The principal that a certificate with this name belongs to.
    pub(super) fn certificate(&self, name: &CertificateName) -> Option<&Principal> {
        self.certificates.get(name)
    }

    pub(super) fn issuer(&self) -> Option<&JwtIssuer> {
        self.issuer.as_ref()
    }

    pub(super) fn token_count(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn expired_token_count(&self, now: SystemTime) -> usize {
        self.tokens.values().filter(|token| token.expires_at.is_some_and(|at| at <= now)).count()
    }

    pub(super) fn certificate_count(&self) -> usize {
        self.certificates.len()
    }

    /// The principals with a credential that `other` does not have in the same form.
    pub(super) fn not_in<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Principal> {
        let tokens = self.tokens.iter().filter(|(digest, token)| other.tokens.get(*digest) != Some(*token));
        let names =
            self.certificates.iter().filter(|(name, owner)| other.certificates.get(*name) != Some(*owner));
        tokens.map(|(_, token)| &token.principal).chain(names.map(|(_, owner)| owner))
    }
}

/// A subject alternative name of a certificate: a URI, a DNS name or another text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct CertificateName(Box<str>);

impl CertificateName {
    /// The name with this text; `None` if none can have it. DNS names are compared
    /// without regard to case, everything else byte by byte.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let within = (1..=MAX_CERTIFICATE_NAME).contains(&text.len());
        if !within || text.starts_with('*') || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let is_dns =
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        Some(Self(if is_dns { text.to_ascii_lowercase().into() } else { text.into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_names_of_certificates_have_no_case_and_uris_have() {
        let name = |text| CertificateName::parse(text).unwrap();
        assert_eq!(name("API.Example.org"), name("api.example.org"));
        assert_ne!(name("spiffe://example.org/API"), name("spiffe://example.org/api"));
        let long = "x".repeat(MAX_CERTIFICATE_NAME + 1);
        for text in ["", "*.example.org", "*", "a b", "\u{e4}.example.org", &long] {
            assert!(CertificateName::parse(text).is_none(), "{text}");
        }
    }
}
