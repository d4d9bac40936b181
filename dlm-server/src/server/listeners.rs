//! The addresses that the server listens on.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use tokio::net::TcpListener;

use super::error::StartError;
use crate::http::{BoundUnixSocket, ListenSocket, Scheme};

/// An address as it was configured.
#[derive(Debug, Clone)]
pub(super) enum ListenAddress {
    Network(NetworkAddress),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

#[derive(Debug, Clone)]
pub(super) struct NetworkAddress {
    scheme: Scheme,
    /// `host:port`.
    authority: String,
    resolved: SocketAddr,
}

/// What is allowed on addresses that other machines can reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exposure {
    /// Whether other machines may reach an address at all.
    pub(super) reachable: bool,
    pub(super) plaintext: bool,
}

impl ListenAddress {
    /// Parses `host:port`, with or without a scheme. Without one it is `scheme`. Or `unix:` and the
    /// absolute path of a Unix socket.
    pub(super) fn parse(text: &str, scheme: Scheme) -> Result<Self, StartError> {
        let invalid = || StartError::Address(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///path` is a URL with an empty host.
            let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
            let is_absolute = path.starts_with('/') && !path.starts_with("//");
            return if is_absolute { Ok(Self::Unix(path.into())) } else { Err(invalid()) };
        }
        let (scheme, authority) = match text.split_once("://") {
            Some(("http", authority)) => (Scheme::Http, authority),
            Some(("https", authority)) => (Scheme::Https, authority),
            Some(_) => return Err(invalid()),
            None => (scheme, text),
        };
        let resolved = authority.to_socket_addrs().map_err(|_| invalid())?.next().ok_or_else(invalid)?;
        Ok(Self::Network(NetworkAddress { scheme, authority: authority.to_owned(), resolved }))
    }

    /// Parses an address without TLS: probes are not encrypted.
    pub(super) fn for_probes(text: &str) -> Result<Self, StartError> {
        match Self::parse(text, Scheme::Http)? {
            Self::Network(NetworkAddress { scheme: Scheme::Https, resolved, .. }) => {
                Err(StartError::EncryptedProbes(resolved))
            }
            address => Ok(address),
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Network(NetworkAddress { scheme: Scheme::Https, .. }))
    }

    /// The host that requests may name, as it was configured and as it was resolved. None for a
    /// Unix socket, where it is `localhost`.
    pub(super) fn host(&self) -> Option<(&str, IpAddr)> {
        match self {
            Self::Network(address) => Some((&address.authority, address.resolved.ip())),
            Self::Unix(_) => None,
        }
    }

    /// The address, if other machines can reach it.
    fn reachable(&self) -> Option<&NetworkAddress> {
        match self {
            Self::Network(address) if !address.resolved.ip().is_loopback() => Some(address),
            _ => None,
        }
    }

    /// Checks that an address that other machines can reach is meant to be.
    pub(super) fn check(&self, allowed: Exposure) -> Result<(), StartError> {
        let Some(address) = self.reachable() else { return Ok(()) };
        if !allowed.reachable {
            Err(StartError::NotLoopback(address.resolved))
        } else if !self.is_encrypted() && !allowed.plaintext {
            Err(StartError::Plaintext(address.resolved))
        } else {
            Ok(())
        }
    }

    /// Whether other machines can reach the address, and connections are not encrypted.
    pub(super) fn is_readable_by_others(&self) -> bool {
        !self.is_encrypted() && self.reachable().is_some()
    }

    /// Listens, and returns the address with its actual port.
    pub(super) async fn bind(self) -> Result<(ListenSocket, Self), StartError> {
        match self {
            Self::Network(mut address) => {
                let listening = TcpListener::bind(address.resolved).await.and_then(|listener| {
                    address.resolved = listener.local_addr()?;
                    Ok(ListenSocket::Tcp(listener))
                });
                match listening {
                    Ok(socket) => Ok((socket, Self::Network(address))),
                    Err(source) => Err(StartError::Listen { address: address.authority, source }),
                }
            }
            Self::Unix(ref path) => match BoundUnixSocket::bind(path).await {
                Ok(socket) => Ok((ListenSocket::Unix(socket), self)),
                Err(source) => Err(StartError::Listen { address: self.to_string(), source }),
            },
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => write!(f, "{}://{}", address.scheme, address.resolved),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, scheme: Scheme) -> Option<String> {
        ListenAddress::parse(text, scheme).ok().map(|address| address.to_string())
    }

    #[test]
    fn an_address_may_name_its_scheme() {
        for (text, plain, with_certificate) in [
            ("127.0.0.1:7420", "http://127.0.0.1:7420", "https://127.0.0.1:7420"),
            ("http://127.0.0.1:7420", "http://127.0.0.1:7420", "http://127.0.0.1:7420"),
            ("https://[::]:0", "https://[::]:0", "https://[::]:0"),
        ] {
            assert_eq!(parse(text, Scheme::Http).as_deref(), Some(plain));
            assert_eq!(parse(text, Scheme::Https).as_deref(), Some(with_certificate));
        }
        for text in ["", "127.0.0.1", "tls://127.0.0.1:1", "https://127.0.0.1:1/", "http://", "a b:1"] {
            assert_eq!(parse(text, Scheme::Http), None, "{text}");
        }
    }

    #[test]
    fn an_address_may_be_the_absolute_path_of_a_unix_socket() {
        for (text, expected) in [
            ("unix:/run/dlm.sock", "unix:/run/dlm.sock"),
            ("unix:///run/dlm.sock", "unix:/run/dlm.sock"),
            ("unix:/run/my dlm%20.sock", "unix:/run/my dlm%20.sock"),
        ] {
            assert_eq!(parse(text, Scheme::Https).as_deref(), Some(expected));
            assert!(!ListenAddress::parse(text, Scheme::Https).unwrap().is_encrypted(), "{text}");
            assert_eq!(ListenAddress::for_probes(text).unwrap().to_string(), expected);
        }
        for text in
            ["unix:", "unix:dlm.sock", "unix://run/dlm.sock", "unix:////run/dlm.sock", "/run/dlm.sock"]
        {
            assert_eq!(parse(text, Scheme::Http), None, "{text}");
        }
    }

    #[test]
    fn an_address_that_other_machines_reach_must_be_allowed() {
        let check = |address: &str, reachable: bool, plaintext: bool| {
            let allowed = Exposure { reachable, plaintext };
            ListenAddress::parse(address, Scheme::Http).unwrap().check(allowed)
        };
        for address in ["http://127.0.0.1:1", "https://[::1]:1", "unix:/run/dlm.sock"] {
            assert!(check(address, false, false).is_ok(), "{address}");
        }
        for address in ["http://0.0.0.0:1", "https://10.0.0.1:1"] {
            assert!(matches!(check(address, false, true), Err(StartError::NotLoopback(_))), "{address}");
            assert!(check(address, true, true).is_ok(), "{address}");
        }
        assert!(matches!(check("http://0.0.0.0:1", true, false), Err(StartError::Plaintext(_))));
        assert!(check("https://0.0.0.0:1", true, false).is_ok());
    }
}
