//! Which headers the caller may set.

use reqwest::header::{HeaderName, HeaderValue};

use crate::error::Error;

/// Headers that the client sends, or that are about the connection or the message rather
/// than the request.
const RESERVED: [&str; 17] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "idempotency-key",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const RESERVED_PREFIX: &str = "sec-websocket-";

/// Checks a header. The error does not contain the value.
pub(super) fn check(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Error::invalid("invalid header name"))?;
    if RESERVED.contains(&name.as_str()) || name.as_str().starts_with(RESERVED_PREFIX) {
        return Err(Error::invalid(&format!("the header `{name}` cannot be set")));
    }
    let value = HeaderValue::from_str(value);
    let mut value = value.map_err(|_| Error::invalid(&format!("invalid value of the header `{name}`")))?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_of_a_header_is_sensitive() {
        let (name, value) = check("X-Tenant", "s3cret").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-tenant", "s3cret"));
        assert_eq!(format!("{value:?}"), "Sensitive");
    }

    #[test]
    fn headers_of_the_client_and_of_the_connection_are_reserved() {
        let names =
            ["Authorization", "HOST", "connection", "Transfer-Encoding", "TE", "Sec-WebSocket-Protocol"];
        for name in names {
            let error = check(name, "s3cret").unwrap_err();
            assert!(error.is_invalid() && error.to_string().contains("cannot be set"), "{error}");
        }
    }

    #[test]
    fn malformed_header_is_refused_without_its_value() {
        for (name, value) in
            [("", "s3cret"), ("a b", "s3cret"), ("a\r\nb", "s3cret"), ("a", "s3cret\r\nb: c")]
        {
            let error = check(name, value).unwrap_err();
            assert!(error.is_invalid() && !format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }
}
