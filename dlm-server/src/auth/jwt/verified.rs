//! Tokens that were verified: a signature is verified once, not at every request.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::VerifiedJwt;
use crate::auth::Digest;

/// How many tokens are remembered: a few hundred bytes each.
const MAX_TOKENS: usize = 4096;

/// The tokens of one issuer, until they expire. Another policy begins without any.
#[derive(Debug, Default)]
pub(super) struct VerifiedTokens(Mutex<HashMap<Digest, VerifiedJwt>>);

impl VerifiedTokens {
    pub(super) fn get(&self, token: Digest, now: SystemTime) -> Option<VerifiedJwt> {
        let verified = self.tokens().get(&token).cloned();
        verified.filter(|verified| now < verified.expires_at)
    }

    pub(super) fn insert(&self, token: Digest, verified: &VerifiedJwt, now: SystemTime) {
        let mut tokens = self.tokens();
        if tokens.len() >= MAX_TOKENS {
            tokens.retain(|_, verified| now < verified.expires_at);
        }
        // Only an issuer can make so many valid tokens. They are verified each time.
        if tokens.len() < MAX_TOKENS {
            tokens.insert(token, verified.clone());
        }
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<Digest, VerifiedJwt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn digest(number: usize) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    fn verified(expires_in: u64) -> VerifiedJwt {
        let expires_at = UNIX_EPOCH + Duration::from_secs(expires_in);
        VerifiedJwt { name: "api".into(), expires_at, trust: digest(0) }
    }

    #[test]
    fn a_verified_token_is_forgotten_when_it_expires() {
        let tokens = VerifiedTokens::default();
        tokens.insert(digest(1), &verified(10), UNIX_EPOCH);
        assert_eq!(tokens.get(digest(1), UNIX_EPOCH), Some(verified(10)));
        assert_eq!(tokens.get(digest(2), UNIX_EPOCH), None);
        assert_eq!(tokens.get(digest(1), UNIX_EPOCH + Duration::from_secs(10)), None);
    }

    #[test]
    fn the_number_of_remembered_tokens_is_bounded() {
        let tokens = VerifiedTokens::default();
        for number in 0..2 * MAX_TOKENS {
            tokens.insert(digest(number), &verified(10), UNIX_EPOCH);
        }
        assert_eq!(tokens.tokens().len(), MAX_TOKENS);
        let later = UNIX_EPOCH + Duration::from_secs(11);
        tokens.insert(digest(2 * MAX_TOKENS), &verified(20), later);
        assert_eq!(tokens.tokens().len(), 1);
    }
}
