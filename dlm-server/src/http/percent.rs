//! Percent-encoded text in paths and queries.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Why text can't be decoded, to be put behind what the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("has a `%` without two hexadecimal digits")]
    Escape,
    #[error("is not UTF-8")]
    NotUtf8,
}

/// Decodes text, once.
pub(super) fn decode(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    let is_escape =
        |after: &str| after.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_escape) {
        return Err(DecodeError::Escape);
    }
    percent_decode_str(text).decode_utf8().map_err(|_| DecodeError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_once() {
        assert_eq!(decode("a%2Fb%252f%C3%A9"), Ok("a/b%2fé".into()));
    }

    #[test]
    fn a_percent_sign_needs_two_hexadecimal_digits() {
        for text in ["%", "a%", "%2", "%2%2F", "%zz", "%2g", "%é", "%25%"] {
            assert_eq!(decode(text), Err(DecodeError::Escape), "{text}");
        }
    }

    #[test]
    fn what_is_decoded_must_be_utf_8() {
        assert_eq!(decode("%ff"), Err(DecodeError::NotUtf8));
    }
}
