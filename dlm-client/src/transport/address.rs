//! Server addresses and the URLs built from them.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use dlm_protocol::{Owner, ResourceName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use crate::error::Error;
use crate::request_error::{Cause, root};

/// The characters to percent-encode: all but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What the address of a Unix socket begins with. The rest is the path, as it is.
const UNIX: &str = "unix:";
/// The base URL of a server that listens on a Unix socket.
#[cfg(unix)]
const UNIX_ROOT: &str = "http://localhost/";

/// The base URL of a server: `http://host:port`, optionally with a path that a
/// reverse proxy strips. Or the path of a Unix socket.
#[derive(Debug, Clone)]
pub(crate) struct ServerAddress {
    root: Url,
    text: Arc<str>,
    socket: Option<Arc<Path>>,
}

impl ServerAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        Self::check(text).map_err(|why| {
            let shown = if text.contains('@') { "(redacted)" } else { text };
            Error::invalid_address(shown, why)
        })
    }

    /// Like [`parse`](Self::parse). The error says only why the address is invalid.
    pub(crate) fn check(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix(UNIX) {
            return Self::of_socket(path);
        }
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Err("it must start with http://, https:// or unix:/".into());
        }
        if cfg!(not(feature = "tls")) && text.starts_with("https://") {
            return Err("https needs the feature `tls` of dlm-client".into());
        }
        let url = Url::parse(text).map_err(|why| why.to_string())?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err("it has no host".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it must not contain credentials".into());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it must not contain a query or a fragment".into());
        }
        Ok(Self { text: url.as_str().trim_end_matches('/').into(), root: url, socket: None })
    }

    /// The path is not percent-encoded: it may have spaces, and a `%` is a `%`.
    #[cfg(unix)]
    fn of_socket(path: &str) -> Result<Self, String> {
        // `unix:///path` is a URL with an empty host.
        let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
        if !path.starts_with('/') || path.starts_with("//") {
            return Err(
                "unix: must be followed by the absolute path of a socket, as in unix:/run/dlm.sock".into()
            );
        }
        if path.ends_with('/') {
            return Err("the path of its socket must not end with a slash".into());
        }
        std::os::unix::net::SocketAddr::from_pathname(path)
            .map_err(|why| format!("the path of its socket can't be used: {why}"))?;
        Ok(Self {
            root: Url::parse(UNIX_ROOT).map_err(|why| why.to_string())?,
            text: format!("{UNIX}{path}").into(),
            socket: Some(Path::new(path).into()),
        })
    }

    #[cfg(not(unix))]
    fn of_socket(_: &str) -> Result<Self, String> {
        Err("unix: addresses need a Unix system".into())
    }

    /// The normalized address, without a trailing slash.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.root.scheme() == "https"
    }

    /// The path of the Unix socket, if the server listens on one.
    #[cfg(unix)]
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Why a connection failed, with the path of the Unix socket.
    pub(crate) fn connect_failed(&self, cause: Cause) -> Cause {
        match &self.socket {
            None => cause,
            Some(path) => format!("the socket `{}`: {}", path.display(), root(&*cause)).into(),
        }
    }

    /// Whether what is sent stays on this machine.
    pub(crate) fn is_local(&self) -> bool {
        if self.socket.is_some() {
            return true;
        }
        let (host, _) = self.host_and_port();
        match host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => host == "localhost",
        }
    }

    pub(crate) fn host_and_port(&self) -> (String, u16) {
        let host = self.root.host_str().unwrap_or_default();
        // A URL writes an IPv6 address in brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (host, self.root.port_or_known_default().unwrap_or(if self.is_tls() { 443 } else { 80 }))
    }

    /// The host, with the port unless it is that of the scheme: for the `Host` header.
    pub(crate) fn authority(&self) -> String {
        let host = self.root.host_str().unwrap_or_default();
        self.root.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// What an HTTP request to `path` asks for. `path` starts with a slash and may have a
    /// query.
    pub(crate) fn path_and_query(&self, path: &str) -> String {
        let url = match path.split_once('?') {
            Some((path, query)) => self.url_with_query(path, query),
            None => self.url(path),
        };
        url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
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

    /// The URL of a read of a resource, with a query.
    pub(crate) fn lock_url_with_query(&self, resource: &ResourceName, operation: &str, query: &str) -> Url {
        let mut url = self.lock_url(resource, operation);
        url.set_query((!query.is_empty()).then_some(query));
        url
    }

    /// The URL of an owner, which may be empty.
    pub(crate) fn owner_url(&self, owner: &Owner) -> Url {
        self.url(&format!("/v1/owners/{}", encode(owner.as_str())))
    }

    /// The URL of a principal.
    pub(crate) fn principal_url(&self, name: &str) -> Url {
        self.url(&format!("/v1/principals/{}", encode(name)))
    }
}

/// Percent-encodes one path segment or query value.
pub(crate) fn encode(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

#[cfg(test)]
#[cfg(not(feature = "tls"))]
mod tests_without_tls {
    use super::*;

    #[test]
    fn https_address_is_refused_without_the_feature() {
        let error = ServerAddress::parse("https://locks.example.org").unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains("feature `tls`"), "{error}");
        assert!(ServerAddress::parse("http://locks.example.org").is_ok());
    }
}

#[cfg(test)]
#[cfg(feature = "tls")]
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
    fn host_and_path_of_a_request_are_those_of_the_address() {
        let address = ServerAddress::parse("https://example.org/locks/").unwrap();
        assert_eq!(address.path_and_query("/v1/session"), "/locks/v1/session");
        assert_eq!(
            (&*address.authority(), address.host_and_port()),
            ("example.org", ("example.org".into(), 443))
        );
        let address = ServerAddress::parse("http://[::1]:7420").unwrap();
        assert_eq!(address.path_and_query("/v1/events?after=a%2Fb"), "/v1/events?after=a%2Fb");
        assert_eq!((&*address.authority(), address.host_and_port()), ("[::1]:7420", ("::1".into(), 7420)));
    }

    #[test]
    fn loopback_is_known_by_its_addresses_and_its_name() {
        for host in [
            "localhost",
            "LOCALHOST:7420",
            "127.0.0.1",
            "127.1",
            "127.8.9.10:80",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(ServerAddress::parse(&format!("http://{host}")).unwrap().is_local(), "{host}");
        }
        for host in
            ["localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "0.0.0.0", "[::]", "[fe80::1]"]
        {
            assert!(!ServerAddress::parse(&format!("http://{host}")).unwrap().is_local(), "{host}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn address_of_a_unix_socket_is_its_path_as_it_is() {
        for (text, path) in [
            ("unix:/run/dlm.sock", "/run/dlm.sock"),
            ("unix:///run/dlm.sock", "/run/dlm.sock"),
            ("unix:/tmp/my dlm%20/\u{e9}?#.sock", "/tmp/my dlm%20/\u{e9}?#.sock"),
        ] {
            let address = ServerAddress::parse(text).unwrap();
            assert_eq!(address.socket(), Some(Path::new(path)), "{text}");
            assert_eq!(**address.text(), format!("unix:{path}"));
            assert_eq!((address.is_local(), address.is_tls()), (true, false));
            assert_eq!(
                (&*address.authority(), &*address.path_and_query("/readyz")),
                ("localhost", "/readyz")
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn address_of_a_unix_socket_must_be_an_absolute_path() {
        let absolute = "unix: must be followed by the absolute path of a socket, as in unix:/run/dlm.sock";
        let directory = "the path of its socket must not end with a slash";
        let long = format!("unix:/{}", "x".repeat(200));
        for (text, why) in [
            ("unix:", absolute),
            ("unix:dlm.sock", absolute),
            ("unix:./dlm.sock", absolute),
            ("unix://run/dlm.sock", absolute),
            ("unix://", absolute),
            ("unix:/run/dlm/", directory),
            ("unix:/", directory),
            (
                "unix:/run/\0",
                "the path of its socket can't be used: paths must not contain interior null bytes",
            ),
            (&long, "the path of its socket can't be used: path must be shorter than SUN_LEN"),
        ] {
            assert_eq!(ServerAddress::check(text).unwrap_err(), why, "{text}");
            assert!(ServerAddress::parse(text).unwrap_err().is_invalid());
        }
    }

    #[test]
    fn unusable_addresses_are_rejected() {
        let (with_password, without_scheme) = ("http://user:hunter2@host", "user:hunter2@host");
        for text in [
            "",
            "127.0.0.1:7420",
            "localhost",
            "ftp://host",
            "http://",
            "http://host/?a=b",
            with_password,
            without_scheme,
        ] {
            let error = ServerAddress::parse(text).unwrap_err();
            assert!(error.is_invalid(), "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
