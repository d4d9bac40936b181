//! What requests carry to authenticate the client.
//!
//! - `cache`: the token in use, and when the provider is asked for another
//! - `provider`: where tokens come from

mod cache;
mod provider;

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};

use self::cache::TokenCache;
use crate::clock::Clock;
use crate::request_error::RequestError;
use crate::token::BearerToken;

pub(crate) use provider::TokenProvider;

/// How the client authenticates, as configured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    pub(crate) token: TokenSource,
    /// Sent with every request. The values are marked as sensitive.
    pub(crate) headers: HeaderMap,
}

#[derive(Debug, Clone, Default)]
pub(crate) enum TokenSource {
    #[default]
    None,
    Fixed(BearerToken),
    Provider(TokenProvider),
}

/// A token as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    header: HeaderValue,
    /// Differs from that of every other token of the same source.
    generation: u64,
}

impl Credential {
    /// The value of the `Authorization` header.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

/// Supplies requests with the token to send.
#[derive(Debug)]
pub(crate) struct Authenticator {
    source: CurrentToken,
}

#[derive(Debug)]
enum CurrentToken {
    None,
    Fixed(Credential),
    Provided(TokenCache),
}

impl Authenticator {
    pub(crate) fn new(source: TokenSource, clock: Clock) -> Self {
        Self {
            source: match source {
                TokenSource::None => CurrentToken::None,
                TokenSource::Fixed(token) => {
                    CurrentToken::Fixed(Credential { header: token.header().clone(), generation: 0 })
                }
                TokenSource::Provider(provider) => CurrentToken::Provided(TokenCache::new(provider, clock)),
            },
        }
    }

    /// The token to send; `None` if the client has no source of tokens. Must run on the
    /// client thread.
    pub(crate) async fn credential(&self, timeout: Duration) -> Result<Option<Credential>, RequestError> {
        match &self.source {
            CurrentToken::None => Ok(None),
            CurrentToken::Fixed(credential) => Ok(Some(credential.clone())),
            CurrentToken::Provided(cache) => cache.current(timeout).await.map(Some),
        }
    }

    /// Another token than the one that the server has refused; `None` if there is none.
    /// Must run on the client thread.
    pub(crate) async fn replacement(&self, refused: &Credential, timeout: Duration) -> Option<Credential> {
        match &self.source {
            CurrentToken::None | CurrentToken::Fixed(_) => None,
            CurrentToken::Provided(cache) => cache.replacement(refused, timeout).await,
        }
    }

    /// Records that the server has refused a token: the next caller waits for another.
    pub(crate) fn refused(&self, refused: &Credential) {
        if let CurrentToken::Provided(cache) = &self.source {
            cache.refused(refused);
        }
    }

    /// Whether there may be another token when one is refused.
    pub(crate) fn has_provider(&self) -> bool {
        matches!(self.source, CurrentToken::Provided(_))
    }

    /// Ends the questions to the provider, before the client thread ends.
    pub(crate) fn stop(&self) {
        if let CurrentToken::Provided(cache) = &self.source {
            cache.stop();
        }
    }
}

#[cfg(test)]
mod tests;
