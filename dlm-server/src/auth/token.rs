//! Bearer tokens that this server makes.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::rand::{GetRandomFlags, getrandom};

use super::Digest;

/// Marks a text as a token, for people and for programs that search for secrets.
const MARK: &str = "dlm_";
const RANDOM_BYTES: usize = 32;

/// A new token. It can't be guessed, so a plain SHA-256 of it is safe to store.
pub(crate) struct NewToken(String);

impl NewToken {
    /// Makes a token of 256 random bits.
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no random bytes.
    pub(crate) fn make() -> io::Result<Self> {
        let mut bytes = [0; RANDOM_BYTES];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
        }
        Ok(Self(format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The token. It is shown once, and stored nowhere.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// What the auth file stores of the token.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_43_characters_of_base64url_and_differs_from_every_other() {
        let (one, other) = (NewToken::make().unwrap(), NewToken::make().unwrap());
        let random = one.secret().strip_prefix("dlm_").unwrap();
        assert_eq!(random.len(), 43);
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), RANDOM_BYTES);
        assert_ne!(one.secret(), other.secret());
        assert!(!format!("{one:?} {:?}", one.digest()).contains(random));
    }
}
