//! Bearer tokens.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use crate::error::Error;

const MAX_BYTES: usize = 16 * 1024;

/// A secret that authenticates the client, such as one made by `dlm-server token new`,
/// or a JWT.
///
/// Its `Debug` output is redacted, it has no `Display`, and its memory is zeroed when
/// the last clone is dropped. The buffers of the network libraries that a token was
/// sent from are not zeroed.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use dlm_client::{BearerToken, Client};
///
/// let token = BearerToken::new(std::fs::read_to_string("/run/secrets/dlm")?.trim_end())?;
/// let client = Client::builder()
///     .address("https://locks.example.org")
///     .bearer_token(token)
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BearerToken {
    /// `Bearer`, a space and the token, in memory that is zeroed.
    header: HeaderValue,
    valid_for: Option<Duration>,
    refresh_after: Option<Duration>,
}

impl BearerToken {
    /// Creates a token of 1 to 16,384 letters, digits and `-._~+/=` (RFC 6750).
    ///
    /// # Errors
    ///
    /// [`is_invalid`](Error::is_invalid) if it is empty, too long, or has another
    /// character, such as a line break at its end. The error does not contain the token.
    ///
    /// # Examples
    ///
    /// ```
    /// use dlm_client::BearerToken;
    ///
    /// let token = BearerToken::new("dlm_0123456789")?;
    /// assert!(!format!("{token:?}").contains("0123456789"));
    /// # Ok::<_, dlm_client::Error>(())
    /// ```
    pub fn new(token: impl Into<String>) -> Result<Self, Error> {
        let token = Zeroizing::new(token.into());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.is_empty() || token.len() > MAX_BYTES || !token.bytes().all(allowed) {
            return Err(invalid());
        }
        // Allocated once: growth would leave a copy behind.
        let prefix = b"Bearer ";
        let mut header = Zeroizing::new(Vec::with_capacity(prefix.len() + token.len()));
        header.extend_from_slice(prefix);
        header.extend_from_slice(token.as_bytes());
        let header = HeaderValue::from_maybe_shared(Bytes::from_owner(header));
        let mut header = header.map_err(|_| invalid())?;
        header.set_sensitive(true);
        Ok(Self { header, valid_for: None, refresh_after: None })
    }

    /// How long the token is valid, from when it is provided: the `expires_in` of an
    /// OAuth reply. A token provider is asked for the next one before that. By default
    /// it is asked again only when the server refuses the token.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// use dlm_client::BearerToken;
    ///
    /// let token = BearerToken::new("dlm_0123456789")?.valid_for(Duration::from_secs(3_600));
    /// # Ok::<_, dlm_client::Error>(())
    /// ```
    #[must_use]
    pub fn valid_for(mut self, lifetime: Duration) -> Self {
        self.valid_for = Some(lifetime);
        self
    }

    /// When to ask for the next token, although this one may be valid for longer.
    pub(crate) fn refresh_after(mut self, delay: Duration) -> Self {
        self.refresh_after = Some(delay);
        self
    }

    /// The value of the `Authorization` header.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }

    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.valid_for
    }

    pub(crate) fn refresh_delay(&self) -> Option<Duration> {
        self.refresh_after
    }
}

fn invalid() -> Error {
    Error::invalid("a bearer token must consist of 1 to 16384 letters, digits and -._~+/=")
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_becomes_a_sensitive_header_value() {
        let token = BearerToken::new("a.b-c_d~e+f/0=").unwrap();
        assert_eq!(token.header(), "Bearer a.b-c_d~e+f/0=");
        assert_eq!(format!("{:?}", token.header()), "Sensitive");
    }

    #[test]
    fn unusable_token_is_refused_without_being_shown() {
        for token in ["", "s3cret\n", "s3cret s3cret", "s3cret\u{e9}", &"s3cret".repeat(4_000)] {
            let error = BearerToken::new(token).unwrap_err();
            assert!(error.is_invalid());
            assert!(!format!("{error:#} {error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn debug_output_is_redacted() {
        let token = BearerToken::new("s3cret").unwrap().valid_for(Duration::from_secs(1));
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_is_zeroed_when_the_last_clone_is_dropped() {
        use std::os::unix::fs::FileExt;

        let text = "s3cret".repeat(50);
        let token = BearerToken::new(text.as_str()).unwrap();
        let address = token.header().as_bytes().as_ptr() as u64;
        let memory = std::fs::File::open("/proc/self/mem").unwrap();
        let mut seen = vec![0; text.len()];
        let clone = token.clone();
        drop(token);
        memory.read_exact_at(&mut seen, address).unwrap();
        assert!(String::from_utf8_lossy(&seen).contains("s3crets3cret"), "a clone is left");
        drop(clone);
        memory.read_exact_at(&mut seen, address).unwrap();
        assert!(!String::from_utf8_lossy(&seen).contains("s3cret"));
    }
}
