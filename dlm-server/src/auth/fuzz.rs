//! Fuzz targets of the auth file and of what its policy is asked about.

pub use super::file::fuzz::auth_file;
pub use super::jwt::fuzz::jwt;

use super::{Digest, Prefix};

/// What an auth file has of a token.
pub(crate) fn digest_of(token: &str) -> String {
    Digest::of(token.as_bytes()).to_hex()
}

/// The valid text after an edit, which the input describes: where it is, how many bytes are
/// removed, and what is inserted. Without an input nothing changes. By itself a fuzzer
/// would not find a MAC or a signature.
pub(crate) fn edited(valid: &str, input: &[u8]) -> String {
    let Some(([at, removed], inserted)) = input.split_first_chunk::<2>() else { return valid.to_owned() };
    let at = usize::from(*at) % (valid.len() + 1);
    let removed = usize::from(*removed).min(valid.len() - at);
    let bytes = [&valid.as_bytes()[..at], inserted, &valid.as_bytes()[at + removed..]].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A prefix covers the names that begin with the same segments, and no others.
pub fn prefix(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Some((prefix, name)) = text.split_once('\n') else { return };
    let segments = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let stem = segments(prefix.strip_suffix('/').unwrap_or(prefix));
    let expected = prefix.is_empty() || segments(name).starts_with(&stem);
    let prefix = Prefix::new(prefix);
    assert_eq!(prefix.covers(name), expected, "{text:?}");
    // What covers all of another one covers what that one covers.
    let other = Prefix::new(name);
    for below in [format!("{name}/x"), name.trim_end_matches('/').to_owned()] {
        if prefix.covers_all_of(&other) && other.covers(&below) {
            assert!(prefix.covers(&below), "{text:?}");
        }
    }
}
