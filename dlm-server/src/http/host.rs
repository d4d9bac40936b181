//! Parses a host and port, as RFC 3986 defines them and as requests carry them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// In lower case, without the dot of the root.
    Name(String),
    Address(IpAddr),
}

/// A host and an optional port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) host: Host,
    pub(super) port: Option<u16>,
}

impl Authority {
    /// Parses all of the text; `None` if it is anything but a host and a port.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(inner) => {
                let (address, rest) = inner.split_once(']')?;
                (Host::Address(address.parse::<Ipv6Addr>().ok()?.into()), rest)
            }
            None => {
                let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                (Host::parse(host)?, rest)
            }
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return None,
            // The port may be empty.
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
        };
        Some(Self { host, port })
    }
}

impl Host {
    /// Parses a name or an IPv4 address.
    fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_name = name.split('.').all(|label| !label.is_empty() && label.bytes().all(valid));
        is_name.then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_parsed() {
        for (text, host, port) in [
            ("localhost", "localhost", None),
            ("DLM.example.:443", "dlm.example", Some(443)),
            ("127.0.0.1:7420", "127.0.0.1", Some(7420)),
            ("[::1]:80", "[::1]", Some(80)),
            ("[0:0::1]", "[::1]", None),
            ("my_host:", "my_host", None),
        ] {
            let authority = Authority::parse(text).unwrap();
            assert_eq!((authority.host.to_string().as_str(), authority.port), (host, port), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            ":80",
            ".",
            "a..b:x",
            "[::1]evil.example",
            "[::1",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            "::1",
            "user@host",
            "a b",
            "a/b",
            "h\u{f6}st",
            "a:99999",
            "a:-1",
            "a:+1",
            "a:80:80",
            "*.example",
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }
}
