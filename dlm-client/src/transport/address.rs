//! Server addresses and the URLs built from them.

use std::sync::Arc;

use dlm_protocol::ResourceName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use crate::error::Error;

/// The characters to percent-encode: all but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The base URL of a server: `http://host:port`, optionally with a path that a
/// reverse proxy strips.
#[derive(Debug, Clone)]
pub(crate) struct ServerAddress {
    root: Url,
    text: Arc<str>,
}

impl ServerAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |why: &str| Error::invalid_address(text, why);
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Err(invalid("it must start with http:// or https://"));
        }
        let url = Url::parse(text).map_err(|why| Error::invalid_address(text, why))?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(invalid("it has no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::invalid_address("(redacted)", "it must not contain credentials"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it must not contain a query or a fragment"));
        }
        Ok(Self { text: url.as_str().trim_end_matches('/').into(), root: url })
    }

    /// The normalized address, without a trailing slash.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.root.scheme() == "https"
    }

    pub(crate) fn host_and_port(&self) -> (String, u16) {
        let host = self.root.host_str().unwrap_or_default();
        // A URL writes an IPv6 address in brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (host, self.root.port_or_known_default().unwrap_or(if self.is_tls() { 443 } else { 80 }))
    }

    /// The WebSocket URL of `path`, which starts with a slash and may have a query.
    pub(crate) fn websocket_url(&self, path: &str) -> String {
        let url = match path.split_once('?') {
            Some((path, query)) => self.url_with_query(path, query),
            None => self.url(path),
        };
        // `http` becomes `ws`, `https` becomes `wss`.
        url.as_str().replacen("http", "ws", 1)
    }

    /// The URL of `path`, which starts with a slash and is percent-encoded.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.root.clone();
        match self.root.path() {
            "/" => url.set_path(path),
            prefix => url.set_path(&format!("{}{path}", prefix.trim_end_matches('/'))),
        }
        url
    }

    /// The URL of `path` with a query, which is percent-encoded too.
    pub(crate) fn url_with_query(&self, path: &str, query: &str) -> Url {
        let mut url = self.url(path);
        url.set_query(Some(query));
        url
    }

    /// The URL of an operation on a resource, or of the resource itself if
    /// `operation` is empty.
    pub(crate) fn lock_url(&self, resource: &ResourceName, operation: &str) -> Url {
        let slash = if operation.is_empty() { "" } else { "/" };
        self.url(&format!("/v1/locks/{}{slash}{operation}", encode(resource.as_str())))
    }
}

/// Percent-encodes one path segment or query value.
pub(crate) fn encode(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_name_is_encoded_as_one_segment() {
        let address = ServerAddress::parse("http://127.0.0.1:7420/").unwrap();
        for (name, segment) in [
            ("orders/42", "orders%2F42"),
            ("%2F", "%252F"),
            ("a b?c#d", "a%20b%3Fc%23d"),
            ("🔒", "%F0%9F%94%92"),
            ("...", "..."),
            ("a\\b", "a%5Cb"),
        ] {
            let url = address.lock_url(&ResourceName::try_from(name).unwrap(), "acquire");
            assert_eq!(url.as_str(), format!("http://127.0.0.1:7420/v1/locks/{segment}/acquire"));
        }
    }

    #[test]
    fn base_path_is_kept() {
        let address = ServerAddress::parse("https://example.org/locks/").unwrap();
        assert!(address.is_tls());
        assert_eq!(address.url("/readyz").as_str(), "https://example.org/locks/readyz");
    }

    #[test]
    fn websocket_url_uses_the_websocket_scheme() {
        let address = ServerAddress::parse("https://example.org/locks/").unwrap();
        assert_eq!(address.websocket_url("/v1/session"), "wss://example.org/locks/v1/session");
        assert_eq!(address.host_and_port(), ("example.org".into(), 443));
        let address = ServerAddress::parse("http://[::1]:7420").unwrap();
        assert_eq!(address.websocket_url("/v1/events?after=a"), "ws://[::1]:7420/v1/events?after=a");
        assert_eq!(address.host_and_port(), ("::1".into(), 7420));
    }

    #[test]
    fn unusable_addresses_are_rejected() {
        let with_password = "http://user:hunter2@host";
        for text in
            ["", "127.0.0.1:7420", "localhost", "ftp://host", "http://", "http://host/?a=b", with_password]
        {
            let error = ServerAddress::parse(text).unwrap_err();
            assert!(error.is_invalid(), "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
