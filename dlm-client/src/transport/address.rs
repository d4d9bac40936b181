//! Where the server is.

use std::sync::Arc;

use dlm_protocol::ResourceName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use crate::error::Error;

/// What a path segment may show unencoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The root of a server: `http://host:port`, perhaps with a path that a reverse
/// proxy takes off again.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    root: Url,
    text: Arc<str>,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |why: &str| Error::address(text, why);
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Err(invalid("it must begin with http:// or https://"));
        }
        let url = Url::parse(text).map_err(|why| Error::address(text, why))?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(invalid("it has no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::address("(not shown)", "it must not carry credentials"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it must not have a query or a fragment"));
        }
        Ok(Self { text: url.as_str().trim_end_matches('/').into(), root: url })
    }

    pub(crate) fn as_shared(&self) -> &Arc<str> {
        &self.text
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.root.scheme() == "https"
    }

    pub(crate) fn host_and_port(&self) -> (String, u16) {
        let host = self.root.host_str().unwrap_or_default();
        // Brackets are the URL's way to write an IPv6 address.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (host, self.root.port_or_known_default().unwrap_or(if self.is_tls() { 443 } else { 80 }))
    }

    /// The address of a socket at `path`.
    pub(crate) fn socket(&self, path: &str) -> String {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut url = self.at(path);
        if !query.is_empty() {
            url.set_query(Some(query));
        }
        // `ws` and `wss` beside `http` and `https`.
        url.as_str().replacen("http", "ws", 1)
    }

    /// The address of `path`, which begins with a slash and is encoded.
    pub(crate) fn at(&self, path: &str) -> Url {
        let mut url = self.root.clone();
        match self.root.path() {
            "/" => url.set_path(path),
            prefix => url.set_path(&format!("{}{path}", prefix.trim_end_matches('/'))),
        }
        url
    }

    /// The address of an operation on a resource; of the resource itself when
    /// `operation` is empty.
    pub(crate) fn of(&self, resource: &ResourceName, operation: &str) -> Url {
        let slash = if operation.is_empty() { "" } else { "/" };
        self.at(&format!("/v1/locks/{}{slash}{operation}", segment(resource.as_str())))
    }
}

/// One percent-encoded segment of a path, or one value of a query.
pub(crate) fn segment(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, SEGMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_it_contains() {
        let address = Address::parse("http://127.0.0.1:7420/").unwrap();
        for (name, segment) in [
            ("orders/42", "orders%2F42"),
            ("%2F", "%252F"),
            ("a b?c#d", "a%20b%3Fc%23d"),
            ("🔒", "%F0%9F%94%92"),
            ("...", "..."),
            ("a\\b", "a%5Cb"),
        ] {
            let url = address.of(&ResourceName::try_from(name).unwrap(), "acquire");
            assert_eq!(url.as_str(), format!("http://127.0.0.1:7420/v1/locks/{segment}/acquire"));
        }
    }

    #[test]
    fn a_path_before_the_server_is_kept() {
        let address = Address::parse("https://example.org/locks/").unwrap();
        assert!(address.is_tls());
        assert_eq!(address.at("/readyz").as_str(), "https://example.org/locks/readyz");
    }

    #[test]
    fn a_socket_has_the_scheme_of_its_own() {
        let address = Address::parse("https://example.org/locks/").unwrap();
        assert_eq!(address.socket("/v1/session"), "wss://example.org/locks/v1/session");
        assert_eq!(address.host_and_port(), ("example.org".into(), 443));
        let address = Address::parse("http://[::1]:7420").unwrap();
        assert_eq!(address.socket("/v1/events?after=a"), "ws://[::1]:7420/v1/events?after=a");
        assert_eq!(address.host_and_port(), ("::1".into(), 7420));
    }

    #[test]
    fn addresses_that_lead_nowhere_are_refused() {
        let with_password = "http://user:hunter2@host";
        for text in
            ["", "127.0.0.1:7420", "localhost", "ftp://host", "http://", "http://host/?a=b", with_password]
        {
            let error = Address::parse(text).unwrap_err();
            assert!(error.is_invalid(), "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
