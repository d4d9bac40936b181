//! SHA-256 digests of credentials.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

const BYTES: usize = 32;

/// A SHA-256 digest. The time of a comparison does not depend on the bytes, so that a
/// caller can't find a digest out byte by byte.
#[derive(Clone, Copy)]
pub(crate) struct Digest([u8; BYTES]);

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of several parts. Other parts have another digest, also if they are
    /// the same bytes one after the other.
    pub(crate) fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Decodes 64 hexadecimal digits.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 2 * BYTES {
            return None;
        }
        let mut bytes = [0; BYTES];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digit = |index: usize| char::from(pair[index]).to_digit(16);
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
        }
        Some(Self(bytes))
    }

    pub(crate) fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_hex().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'_, str>>::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| D::Error::custom("not a digest"))
    }
}

/// Shows nothing: logs must not help to recognize a credential.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_digest_round_trips_through_hexadecimal_digits_of_either_case() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_hex(), OF_ABC);
        for text in [OF_ABC.to_owned(), OF_ABC.to_uppercase()] {
            assert!(Digest::from_hex(&text) == Some(digest), "{text}");
        }
        assert!(digest != Digest::of(b"abd"));
    }

    #[test]
    fn other_text_is_no_digest() {
        let (short, long) = (&OF_ABC[1..], format!("{OF_ABC}0"));
        let (letter, wide) = (OF_ABC.replace('f', "g"), format!("{}\u{e4}", &OF_ABC[2..]));
        for text in ["", short, &long, &letter, &wide, "+1"] {
            assert!(Digest::from_hex(text).is_none(), "{text}");
        }
    }

    #[test]
    fn parts_are_told_apart() {
        assert!(Digest::of_parts(&[b"ab", b"c"]) != Digest::of_parts(&[b"a", b"bc"]));
        assert!(Digest::of_parts(&[b"ab"]) == Digest::of_parts(&[b"ab"]));
    }
}
