//! The auth file: principals, their credentials and their rules, in TOML.
//!
//! A mistake is refused with the line and the reason. Nothing of a file is accepted
//! unless all of it is.
//!
//! - `parse`: the whole file; `principal`, `rule`: its parts
//! - `field`: tables and values; `instant`: dates with a time
//! - `mistake`: what is wrong, and where
//! - `block`: writes a principal

mod block;
mod field;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod instant;
mod mistake;
mod parse;
mod principal;
mod rule;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub(crate) use self::block::PrincipalBlock;
use self::mistake::Mistake;
use self::parse::JwtTable;
use super::jwt::JwtIssuer;
use super::{Credentials, Digest, Policy};

/// Maximum size of an auth file or a JWKS file, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// A policy and how much it holds.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) policy: Policy,
    pub(crate) summary: Summary,
}

/// How much an auth file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) principals: usize,
    pub(crate) rules: usize,
    pub(crate) tokens: usize,
    pub(crate) expired_tokens: usize,
    pub(crate) certificates: usize,
    pub(crate) jwt_keys: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { principals, rules, tokens, expired_tokens, certificates, jwt_keys } = self;
        write!(
            f,
            "{principals} principals, {rules} rules, {tokens} tokens ({expired_tokens} expired), {certificates} \
             certificate names, {jwt_keys} JWT keys"
        )
    }
}

/// Why a file was refused. The text repeats no value of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: the file has more than {MAX_FILE} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("{}: {mistake}", path.display())]
    Mistake { path: PathBuf, mistake: Mistake },
    #[error("{} (`jwks_file` in {}, line {line}): {reason}", path.display(), auth_file.display())]
    Jwks { path: PathBuf, auth_file: PathBuf, line: usize, reason: String },
}

/// The files that were read, each with the digest of its content, `None` if it could not
/// be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilesRead(Vec<(PathBuf, Option<Digest>)>);

impl FilesRead {
    /// Reads the same files again.
    pub(crate) fn again(&self) -> Self {
        let digest = |path: &Path| read(path).ok().map(|bytes| Digest::of(&bytes));
        Self(self.0.iter().map(|(path, _)| (path.clone(), digest(path))).collect())
    }
}

/// Reads an auth file, and the JWKS file that it names.
pub(crate) fn load(path: &Path, now: SystemTime) -> (FilesRead, Result<Loaded, LoadError>) {
    let mut files = FilesRead(Vec::new());
    let loaded = load_noting(path, now, &mut files);
    (files, loaded)
}

fn load_noting(path: &Path, now: SystemTime, files: &mut FilesRead) -> Result<Loaded, LoadError> {
    let bytes = read_noting(path, files)?;
    let parsed = parse::parse(&bytes).map_err(|mistake| LoadError::Mistake { path: path.into(), mistake })?;
    let (rules, mut credentials) = (parsed.principals.rules, parsed.principals.credentials);
    if let Some(jwt) = parsed.jwt {
        credentials.set_issuer(issuer(path, jwt, files)?);
    }
    let summary = Summary {
        principals: rules.len(),
        rules: rules.values().map(|rules| rules.iter().count()).sum(),
        ..of_credentials(&credentials, now)
    };
    Ok(Loaded { policy: Policy::new(rules).with_credentials(credentials), summary })
}

fn of_credentials(credentials: &Credentials, now: SystemTime) -> Summary {
    Summary {
        principals: 0,
        rules: 0,
        tokens: credentials.token_count(),
        expired_tokens: credentials.expired_token_count(now),
        certificates: credentials.certificate_count(),
        jwt_keys: credentials.issuer().map_or(0, JwtIssuer::key_count),
    }
}

fn issuer(auth_file: &Path, jwt: JwtTable, files: &mut FilesRead) -> Result<JwtIssuer, LoadError> {
    // A relative path is relative to the auth file, wherever the server was started.
    let path = auth_file.parent().unwrap_or(Path::new("")).join(jwt.jwks_file);
    let refused =
        |reason| LoadError::Jwks { path: path.clone(), auth_file: auth_file.into(), line: jwt.line, reason };
    let bytes = read_noting(&path, files).map_err(|error| match error {
        LoadError::Unreadable { source, .. } => refused(source.to_string()),
        other => other,
    })?;
    JwtIssuer::new(jwt.issuer, jwt.audience, jwt.claim, &bytes).map_err(refused)
}

fn read_noting(path: &Path, files: &mut FilesRead) -> Result<Vec<u8>, LoadError> {
    let bytes = read(path);
    files.0.push((path.into(), bytes.as_ref().ok().map(|bytes| Digest::of(bytes))));
    bytes
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|source| LoadError::Unreadable { path: path.into(), source })?;
    if bytes.len() as u64 > MAX_FILE { Err(LoadError::TooLarge(path.into())) } else { Ok(bytes) }
}
