//! The addresses that the server listens on.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};

use tokio::net::TcpListener;

use super::error::StartError;
use crate::http::Scheme;

/// An address as it was configured.
#[derive(Debug, Clone)]
pub(super) struct ListenAddress {
    pub(super) scheme: Scheme,
    /// `host:port`.
    pub(super) authority: String,
    pub(super) resolved: SocketAddr,
}

/// What is allowed on addresses that other machines can reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exposure {
    /// Whether other machines may reach an address at all.
    pub(super) reachable: bool,
    pub(super) plaintext: bool,
}

impl ListenAddress {
    /// Parses `host:port`, with or without a scheme. Without one it is `scheme`.
    pub(super) fn parse(text: &str, scheme: Scheme) -> Result<Self, StartError> {
        let invalid = || StartError::Address(text.to_owned());
        let (scheme, authority) = match text.split_once("://") {
            Some(("http", authority)) => (Scheme::Http, authority),
            Some(("https", authority)) => (Scheme::Https, authority),
            Some(_) => return Err(invalid()),
            None => (scheme, text),
        };
        let resolved = authority.to_socket_addrs().map_err(|_| invalid())?.next().ok_or_else(invalid)?;
        Ok(Self { scheme, authority: authority.to_owned(), resolved })
    }

    /// Parses `host:port`, with or without `http://`: probes are not encrypted.
    pub(super) fn for_probes(text: &str) -> Result<Self, StartError> {
        let address = Self::parse(text, Scheme::Http)?;
        if address.scheme == Scheme::Https {
            return Err(StartError::EncryptedProbes(address.resolved));
        }
        Ok(address)
    }

    /// Checks that an address that other machines can reach is meant to be.
    pub(super) fn check(&self, allowed: Exposure) -> Result<(), StartError> {
        if self.resolved.ip().is_loopback() {
            Ok(())
        } else if !allowed.reachable {
            Err(StartError::NotLoopback(self.resolved))
        } else if self.scheme == Scheme::Http && !allowed.plaintext {
            Err(StartError::Plaintext(self.resolved))
        } else {
            Ok(())
        }
    }

    /// Whether other machines can reach the address, and connections are not encrypted.
    pub(super) fn is_readable_by_others(&self) -> bool {
        self.scheme == Scheme::Http && !self.resolved.ip().is_loopback()
    }

    /// Listens, and returns the address with its actual port.
    pub(super) async fn bind(mut self) -> Result<(TcpListener, Self), StartError> {
        let listening = TcpListener::bind(self.resolved).await.and_then(|listener| {
            self.resolved = listener.local_addr()?;
            Ok(listener)
        });
        match listening {
            Ok(listener) => Ok((listener, self)),
            Err(source) => Err(StartError::Listen { address: self.authority, source }),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.resolved)
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
    fn an_address_that_other_machines_reach_must_be_allowed() {
        let check = |address: &str, reachable: bool, plaintext: bool| {
            let allowed = Exposure { reachable, plaintext };
            ListenAddress::parse(address, Scheme::Http).unwrap().check(allowed)
        };
        for address in ["http://127.0.0.1:1", "https://[::1]:1"] {
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
