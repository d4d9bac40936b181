//! Who a caller is, by the credentials of its request.

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::credentials::CertificateName;
use super::jwt::JwtError;
use super::{Digest, Policy, Principal};
use crate::tls::ClientCertificate;

/// Maximum length of an `Authorization` header.
const MAX_HEADER: usize = 8 * 1024;

/// A caller that has proved who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Authentication {
    #[serde(with = "principal_name")]
    principal: Principal,
    /// Everything that the caller proved it with; nothing on a server without
    /// authentication.
    proofs: Vec<Proof>,
    expires_at: Option<SystemTime>,
}

/// One credential that was accepted. It can't be used to authenticate again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Proof {
    Token(Digest),
    Jwt { trust: Digest, expires_at: SystemTime },
    Certificate { name: CertificateName, not_after: SystemTime },
}

/// Why a caller is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unauthenticated {
    #[error("this server requires a token: send it as `Authorization: Bearer <token>`")]
    Missing,
    #[error("the request has several `Authorization` headers")]
    Several,
    #[error("the `Authorization` header must be `Bearer` and a token of at most 8 KiB")]
    Malformed,
    #[error("the token is not known")]
    UnknownToken,
    #[error("the token has expired")]
    ExpiredToken { of: Principal },
    #[error("{error}")]
    Jwt {
        error: JwtError,
        /// The principal that an expired JWT names.
        of: Option<Principal>,
    },
    #[error("the JWT names no principal of this server")]
    UnknownPrincipal,
    #[error("the client certificate names no principal of this server")]
    UnknownCertificate,
    #[error("the client certificate has expired")]
    ExpiredCertificate { of: Principal },
    #[error("the client certificate names several principals")]
    AmbiguousCertificate,
    #[error("the token and the client certificate are of different principals")]
    Contradiction,
    #[error("the ticket is not known: it is good once, for its purpose, within 30 seconds")]
    Ticket {
        /// The principal of a ticket that was genuine.
        of: Option<Principal>,
    },
}

impl Unauthenticated {
    /// The reason in metrics.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Several | Self::Malformed => "malformed",
            Self::UnknownToken => "unknown_token",
            Self::ExpiredToken { .. } => "expired_token",
            Self::Jwt { .. } => "invalid_jwt",
            Self::UnknownPrincipal => "unknown_principal",
            Self::UnknownCertificate | Self::ExpiredCertificate { .. } | Self::AmbiguousCertificate => {
                "certificate"
            }
            Self::Contradiction => "contradiction",
            Self::Ticket { .. } => "ticket",
        }
    }

    /// The reason in the audit log. It tells credentials that have expired from others.
    pub(crate) const fn audit_code(&self) -> &'static str {
        match self {
            Self::Jwt { error: JwtError::Expired(_), .. } => "expired_jwt",
            Self::ExpiredCertificate { .. } => "expired_certificate",
            other => other.reason(),
        }
    }

    /// Whose credential it was, if that is known.
    pub(crate) const fn principal(&self) -> Option<&Principal> {
        match self {
            Self::ExpiredToken { of } | Self::ExpiredCertificate { of } => Some(of),
            Self::Jwt { of, .. } | Self::Ticket { of } => of.as_ref(),
            _ => None,
        }
    }

    /// Whether the caller sent a token, which was refused.
    pub(crate) const fn sent_token(&self) -> bool {
        let without_token = matches!(
            self,
            Self::Missing
                | Self::UnknownCertificate
                | Self::ExpiredCertificate { .. }
                | Self::AmbiguousCertificate
        );
        !without_token
    }
}

impl Authentication {
    /// Everybody, on a server without authentication.
    pub(crate) fn anonymous() -> Self {
        Self { principal: Principal::anonymous(), proofs: Vec::new(), expires_at: None }
    }

    /// Authenticates a caller. `authorization` are the values of all `Authorization`
    /// headers of its request.
    ///
    /// A caller that sends a token over a connection with a certificate has to be the
    /// same principal by both. If the token alone counted, a stolen one could be used
    /// over the connection of anybody; if the certificate alone did, a proxy that has
    /// one would lend its rights to every caller behind it.
    ///
    /// # Errors
    ///
    /// Returns why the caller is not authenticated.
    pub(crate) fn of<'a>(
        policy: &Policy,
        mut authorization: impl Iterator<Item = &'a [u8]>,
        certificate: Option<&ClientCertificate>,
        now: SystemTime,
    ) -> Result<Self, Unauthenticated> {
        if policy.is_open() {
            return Ok(Self::anonymous());
        }
        let header = authorization.next();
        if authorization.next().is_some() {
            return Err(Unauthenticated::Several);
        }
        let by_token = header.map(|header| Self::by_token(policy, bearer(header)?, now)).transpose()?;
        let by_certificate = match certificate {
            Some(certificate) => Self::by_certificate(policy, certificate, now)?,
            None => None,
        };
        match (by_token, by_certificate) {
            (Some(token), Some(certificate)) if token.principal != certificate.principal => {
                Err(Unauthenticated::Contradiction)
            }
            (Some(mut token), Some(certificate)) => {
                token.proofs.extend(certificate.proofs);
                token.expires_at = earlier(token.expires_at, certificate.expires_at);
                Ok(token)
            }
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (None, None) if certificate.is_some() => Err(Unauthenticated::UnknownCertificate),
            (None, None) => Err(Unauthenticated::Missing),
        }
    }

    fn by_token(policy: &Policy, token: &str, now: SystemTime) -> Result<Self, Unauthenticated> {
        let digest = Digest::of(token.as_bytes());
        if let Some(known) = policy.credentials().token(digest) {
            if known.expires_at.is_some_and(|at| at <= now) {
                return Err(Unauthenticated::ExpiredToken { of: known.principal.clone() });
            }
            let proofs = vec![Proof::Token(digest)];
            return Ok(Self { principal: known.principal.clone(), proofs, expires_at: known.expires_at });
        }
        let issuer = policy.credentials().issuer().filter(|_| token.contains('.'));
        let verified = issuer.ok_or(Unauthenticated::UnknownToken)?.verify(token, digest, now);
        let verified = verified.map_err(|error| {
            let of = match &error {
                JwtError::Expired(Some(name)) => policy.named(name),
                _ => None,
            };
            Unauthenticated::Jwt { error, of }
        })?;
        let principal = policy.named(&verified.name).ok_or(Unauthenticated::UnknownPrincipal)?;
        let proofs = vec![Proof::Jwt { trust: verified.trust, expires_at: verified.expires_at }];
        Ok(Self { principal, proofs, expires_at: Some(verified.expires_at) })
    }

    /// The caller by its certificate, if that names a principal.
    fn by_certificate(
        policy: &Policy,
        certificate: &ClientCertificate,
        now: SystemTime,
    ) -> Result<Option<Self>, Unauthenticated> {
        let mut found: Option<Self> = None;
        for name in &certificate.names {
            let name = CertificateName::parse(name);
            let owner = name.and_then(|name| Some((policy.credentials().certificate(&name)?, name)));
            let Some((principal, name)) = owner else { continue };
            match &found {
                Some(other) if other.principal != *principal => {
                    return Err(Unauthenticated::AmbiguousCertificate);
                }
                Some(_) => {}
                None => {
                    let (principal, not_after) = (principal.clone(), certificate.not_after);
                    let proofs = vec![Proof::Certificate { name, not_after }];
                    found = Some(Self { principal, proofs, expires_at: Some(not_after) });
                }
            }
        }
        match found {
            Some(Self { principal: of, .. }) if certificate.not_after <= now => {
                Err(Unauthenticated::ExpiredCertificate { of })
            }
            found => Ok(found),
        }
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// When the caller has to authenticate again.
    pub(crate) fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// The same caller by another policy, and at a later time: its credentials may expire
    /// earlier now. `None` if one of them is no longer accepted.
    pub(crate) fn again(&self, policy: &Policy, now: SystemTime) -> Option<Self> {
        if self.proofs.is_empty() {
            return policy.is_open().then(|| self.clone());
        }
        let mut expires_at: Option<SystemTime> = None;
        for proof in &self.proofs {
            expires_at = earlier(expires_at, proof.expiry(policy, &self.principal)?);
        }
        let is_valid = expires_at.is_none_or(|at| now < at);
        is_valid.then(|| Self { expires_at, ..self.clone() })
    }
}

impl Proof {
    /// When a policy no longer accepts this proof of a principal, if ever; `None` if it
    /// does not accept it at all.
    #[expect(clippy::option_option, reason = "not accepted, accepted for ever, or until an instant")]
    fn expiry(&self, policy: &Policy, principal: &Principal) -> Option<Option<SystemTime>> {
        let credentials = policy.credentials();
        match self {
            Self::Token(digest) => {
                let token = credentials.token(*digest).filter(|token| token.principal == *principal)?;
                Some(token.expires_at)
            }
            Self::Jwt { trust, expires_at } => {
                let issuer = credentials.issuer().filter(|issuer| issuer.still_trusts(*trust));
                (issuer.is_some() && policy.rules(principal).is_some()).then_some(Some(*expires_at))
            }
            Self::Certificate { name, not_after } => {
                credentials.certificate(name).filter(|owner| *owner == principal).map(|_| Some(*not_after))
            }
        }
    }
}

/// A principal as it is stored.
mod principal_name {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::auth::Principal;

    pub(super) fn serialize<S: Serializer>(principal: &Principal, serializer: S) -> Result<S::Ok, S::Error> {
        principal.name().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Principal, D::Error> {
        Ok(Principal::named(String::deserialize(deserializer)?.into()))
    }
}

/// The earlier of two instants, of which `None` is never.
fn earlier(one: Option<SystemTime>, other: Option<SystemTime>) -> Option<SystemTime> {
    one.into_iter().chain(other).min()
}

/// The token in an `Authorization` header (RFC 6750).
fn bearer(header: &[u8]) -> Result<&str, Unauthenticated> {
    let parse = || {
        let text = std::str::from_utf8(header).ok().filter(|text| text.len() <= MAX_HEADER)?;
        let (scheme, token) = text.split_once(' ')?;
        let token = token.trim_start_matches(' ');
        let digits = token.trim_end_matches('=');
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        let is_valid = !digits.is_empty() && digits.bytes().all(is_token);
        Some(token).filter(|_| scheme.eq_ignore_ascii_case("bearer") && is_valid)
    };
    parse().ok_or(Unauthenticated::Malformed)
}
