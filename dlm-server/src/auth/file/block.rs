//! Writes a principal as it stands in an auth file.

use std::fmt;
use std::time::SystemTime;

use super::principal::check_name;
use super::rule::check_prefix;
use crate::auth::{Digest, Role};

/// The block of a principal with one token and one rule.
#[derive(Debug)]
pub(crate) struct PrincipalBlock<'a> {
    name: &'a str,
    role: Role,
    prefix: &'a str,
    digest: Digest,
    expires_at: Option<SystemTime>,
}

impl<'a> PrincipalBlock<'a> {
    /// # Errors
    ///
    /// Returns what is wrong with the name or the prefix.
    pub(crate) fn new(
        name: &'a str,
        role: Role,
        prefix: &'a str,
        digest: Digest,
        expires_at: Option<SystemTime>,
    ) -> Result<Self, String> {
        check_name(name).map_err(|reason| format!("the name {reason}"))?;
        check_prefix(prefix).map_err(|reason| format!("the prefix {reason}"))?;
        Ok(Self { name, role, prefix, digest, expires_at })
    }
}

impl fmt::Display for PrincipalBlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, digest, .. } = self;
        let expires =
            self.expires_at.map(|at| format!(", expires = {}", humantime::format_rfc3339_seconds(at)));
        writeln!(f, "[[principal]]")?;
        writeln!(f, "name = {}", Quoted(self.name))?;
        writeln!(f, "tokens = [{{ sha256 = \"{}\"{} }}]", digest.to_hex(), expires.unwrap_or_default())?;
        writeln!(f, "rules = [{{ role = \"{}\", prefix = {} }}]", role.name(), Quoted(self.prefix))
    }
}

/// A text without control characters, in quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
