//! Auth files.

use std::fs;
use std::path::PathBuf;

use ring::digest::{SHA256, digest};
use tempfile::TempDir;

/// An auth file in a directory of its own.
pub(crate) struct AuthFile(TempDir);

impl AuthFile {
    pub(crate) fn new(content: &str) -> Self {
        let file = Self(tempfile::tempdir().expect("a directory"));
        file.replace(content);
        file
    }

    pub(crate) fn path(&self) -> String {
        self.beside("auth.toml").display().to_string()
    }

    /// The path of another file in the directory.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Replaces the file by renaming another one, as editors do.
    pub(crate) fn replace(&self, content: &str) {
        let new = self.beside("auth.toml.new");
        fs::write(&new, content).expect("the file is written");
        fs::rename(new, self.path()).expect("the file is renamed");
    }
}

/// The block of a principal with one token and one rule that has limits, such as
/// `max_leases = 2`.
pub(crate) fn limited_principal(name: &str, token: &str, role: &str, prefix: &str, limits: &str) -> String {
    let limited = format!("prefix = \"{prefix}\", {limits}");
    principal(name, &[token], &[(role, prefix)]).replace(&format!("prefix = \"{prefix}\""), &limited)
}

/// The block of a principal. A token may be followed by a space and more members of its
/// entry, such as `expires = …`.
pub(crate) fn principal(name: &str, tokens: &[&str], rules: &[(&str, &str)]) -> String {
    let token = |text: &&str| {
        let (token, more) =
            text.split_once(' ').map_or((*text, String::new()), |(t, more)| (t, format!(", {more}")));
        let hash: String =
            digest(&SHA256, token.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
        format!("{{ sha256 = \"{hash}\"{more} }}")
    };
    let rule = |(role, prefix): &(&str, &str)| format!("{{ role = \"{role}\", prefix = \"{prefix}\" }}");
    let tokens = tokens.iter().map(token).collect::<Vec<_>>().join(", ");
    let rules = rules.iter().map(rule).collect::<Vec<_>>().join(", ");
    format!("[[principal]]\nname = \"{name}\"\ntokens = [{tokens}]\nrules = [{rules}]\n")
}
