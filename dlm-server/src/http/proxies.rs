//! Proxies whose word about their clients is believed.
//!
//! What a proxy says is used for the address in the log and for the scheme of the
//! page's origin, never to tell who the client is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::HeaderName;
use ipnet::IpNet;

use super::caller::Caller;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The scheme of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestSource {
    /// The address of the client, or of the first proxy that is not trusted.
    pub(super) address: IpAddr,
    /// The scheme that the client used. Unknown behind a proxy that is not trusted, which
    /// may have used plain HTTP for the rest of the way.
    pub(super) scheme: Option<Scheme>,
}

/// The networks of the proxies that are trusted.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Parses networks and addresses.
    ///
    /// # Errors
    ///
    /// Returns the first text that is neither.
    pub(crate) fn parse(networks: &[String]) -> Result<Self, String> {
        // An empty environment variable or a trailing comma is no network.
        let networks = networks.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        let parse = |text: &str| {
            let address = || text.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
            text.parse().or_else(|_| address()).map_err(|_| text.to_owned())
        };
        networks.map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether this is the address of a trusted proxy.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Where a request on this connection comes from.
    pub(super) fn source(&self, caller: &Caller, headers: &HeaderMap) -> RequestSource {
        let address = caller.address.to_canonical();
        let tls = caller.over_tls.then_some(Scheme::Https);
        if !self.contains(address) {
            return RequestSource { address, scheme: tls };
        }
        let address = self.forwarded_for(headers).unwrap_or(address);
        RequestSource { address, scheme: forwarded_proto(headers).or(tls) }
    }

    /// The last address that is not a trusted proxy: everything before it may have been
    /// made up by a client. If all are trusted, the first.
    fn forwarded_for(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut first = None;
        for value in headers.get_all(FORWARDED_FOR).iter().rev() {
            for text in value.to_str().ok()?.rsplit(',') {
                let address = address(text.trim())?;
                if !self.contains(address) {
                    return Some(address);
                }
                first = Some(address);
            }
        }
        first
    }
}

/// The scheme that the proxy next to the server was asked with.
fn forwarded_proto(headers: &HeaderMap) -> Option<Scheme> {
    let last = headers.get_all(FORWARDED_PROTO).iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    let schemes = [Scheme::Http, Scheme::Https];
    schemes.into_iter().find(|scheme| last.eq_ignore_ascii_case(scheme.as_str()))
}

/// Parses an address. Some proxies add the port.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let address: IpAddr = text.parse().ok().or_else(with_port).or_else(bracketed)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::super::caller::Access;
    use super::*;

    fn proxies(networks: &[&str]) -> TrustedProxies {
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        TrustedProxies::parse(&networks).unwrap()
    }

    /// What is known of a request over plain HTTP from this address.
    fn origin(
        proxies: &TrustedProxies,
        from: &str,
        headers: &[(HeaderName, &str)],
    ) -> (String, Option<Scheme>) {
        let caller = Caller {
            address: from.parse().unwrap(),
            over_tls: false,
            certificate: None,
            peer: None,
            access: Access::Everything,
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        let RequestSource { address, scheme } = proxies.source(&caller, &map);
        (address.to_string(), scheme)
    }

    fn client(from: &str, forwarded: &[&str]) -> String {
        let headers: Vec<_> = forwarded.iter().map(|value| (FORWARDED_FOR, *value)).collect();
        origin(&proxies(&["10.0.0.0/8", " fd00::/8 ", "192.0.2.7", ""]), from, &headers).0
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(client("203.0.113.1", &["198.51.100.1"]), "203.0.113.1");
        for proxy in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "192.0.2.7"] {
            assert_eq!(client(proxy, &["198.51.100.1"]), "198.51.100.1", "{proxy}");
        }
        assert_eq!(client("192.0.2.8", &["198.51.100.1"]), "192.0.2.8");
        let scheme =
            |from: &str, value: &str| origin(&proxies(&["10.0.0.0/8"]), from, &[(FORWARDED_PROTO, value)]).1;
        assert_eq!(scheme("10.0.0.1", "https"), Some(Scheme::Https));
        assert_eq!(scheme("10.0.0.1", "https, HTTP"), Some(Scheme::Http));
        assert_eq!(scheme("10.0.0.1", "gopher"), None);
        assert_eq!(scheme("11.0.0.1", "https"), None);
    }

    #[test]
    fn the_last_address_that_is_not_trusted_is_the_client() {
        for (forwarded, expected) in [
            (&["1.1.1.1, 198.51.100.1"][..], "198.51.100.1"),
            (&["1.1.1.1, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            (&["1.1.1.1", "198.51.100.1 ,10.9.9.9", "10.8.8.8"], "198.51.100.1"),
            (&["whatever, 198.51.100.1"], "198.51.100.1"),
            (&["10.7.7.7, 10.9.9.9"], "10.7.7.7"),
            (&["198.51.100.1:4711"], "198.51.100.1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["::ffff:198.51.100.1"], "198.51.100.1"),
        ] {
            assert_eq!(client("10.0.0.1", forwarded), expected, "{forwarded:?}");
        }
    }

    #[test]
    fn a_malformed_header_is_ignored() {
        for forwarded in [&[][..], &[""], &["198.51.100.1,"], &["198.51.100.1, unknown"], &["1.1.1"], &["é"]]
        {
            assert_eq!(client("10.0.0.1", forwarded), "10.0.0.1", "{forwarded:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["10.0.0.0/33", "proxy.example", "10.0.0.0/8/8", "10.0.0.0-10.0.0.9"] {
            assert_eq!(TrustedProxies::parse(&["10.0.0.0/8".into(), text.into()]).unwrap_err(), text);
        }
    }
}
