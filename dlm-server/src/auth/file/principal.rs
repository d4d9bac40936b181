//! The principals of an auth file.

use std::collections::HashMap;
use std::sync::Arc;

use super::field::{Field, Fields};
use super::mistake::Mistake;
use super::rule;
use crate::auth::credentials::{CertificateName, Credentials};
use crate::auth::{Digest, Principal, Rules, check_principal_name};

/// Restore and internal tasks act as this principal.
const RESERVED: &str = "system";

const KEYS: [&str; 4] = ["name", "tokens", "certificates", "rules"];

/// The principals read so far, and where what may be given only once was first seen.
#[derive(Debug, Default)]
pub(super) struct Principals {
    pub(super) rules: HashMap<Arc<str>, Arc<Rules>>,
    pub(super) credentials: Credentials,
    names: HashMap<Arc<str>, usize>,
    digests: HashMap<Digest, usize>,
    certificates: HashMap<CertificateName, usize>,
}

impl Principals {
    pub(super) fn add(&mut self, field: &Field<'_>) -> Result<(), Mistake> {
        let fields = field.table(&KEYS)?;
        let name = self.name(&fields)?;
        let principal = Principal::named(Arc::clone(&name));
        if let Some(tokens) = fields.optional("tokens") {
            for token in tokens.items()? {
                self.token(&principal, &token)?;
            }
        }
        if let Some(certificates) = fields.optional("certificates") {
            for certificate in certificates.items()? {
                self.certificate(&principal, &certificate)?;
            }
        }
        let rules = rule::rules(fields.required("rules")?)?;
        self.rules.insert(name, Arc::new(rules));
        Ok(())
    }

    fn name(&mut self, fields: &Fields<'_>) -> Result<Arc<str>, Mistake> {
        let field = fields.required("name")?;
        let text = field.text()?;
        check_name(text).map_err(|reason| field.mistake(&reason))?;
        let name: Arc<str> = text.into();
        match self.names.insert(Arc::clone(&name), fields.line()) {
            Some(line) => Err(field.mistake(&format!("is that of another principal, in line {line}"))),
            None => Ok(name),
        }
    }

    fn token(&mut self, principal: &Principal, field: &Field<'_>) -> Result<(), Mistake> {
        let fields = field.table(&["sha256", "expires"])?;
        let sha256 = fields.required("sha256")?;
        let digest = Digest::from_hex(sha256.text()?);
        let reason = "must be the SHA-256 of a token as 64 hexadecimal digits, never the token itself";
        let digest = digest.ok_or_else(|| sha256.mistake(reason))?;
        let expires_at = fields.optional("expires").map(|field| field.instant()).transpose()?;
        if let Some(line) = self.digests.insert(digest, sha256.line()) {
            return Err(sha256.mistake(&format!("is that of another token, in line {line}")));
        }
        self.credentials.add_token(digest, principal.clone(), expires_at);
        Ok(())
    }

    fn certificate(&mut self, principal: &Principal, field: &Field<'_>) -> Result<(), Mistake> {
        let name = CertificateName::parse(field.text()?);
        let reason =
            "must be subject alternative names of 1 to 1024 visible ASCII characters, without wildcards";
        let name = name.ok_or_else(|| field.mistake(reason))?;
        if let Some(line) = self.certificates.insert(name.clone(), field.line()) {
            return Err(field.mistake(&format!("has a name that is given twice, first in line {line}")));
        }
        self.credentials.add_certificate(name, principal.clone());
        Ok(())
    }
}

/// Whether a text can name a principal of the auth file, and if not, why not.
pub(crate) fn check_name(text: &str) -> Result<(), String> {
    check_principal_name(text)?;
    if text == RESERVED {
        return Err(format!("must not be `{RESERVED}`, which the server acts as"));
    }
    Ok(())
}
