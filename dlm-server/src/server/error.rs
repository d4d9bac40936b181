//! Why a server could not be started, or stopped.

use std::io;
use std::net::SocketAddr;

use crate::auth::LoadError;
use crate::service::OpenError;
use crate::tls::TlsError;
use crate::webhook::WebhookError;

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listen address is not valid.
    #[error(
        "the listen address {0} is not valid: give host:port, http://host:port, https://host:port or unix:/path"
    )]
    Address(String),
    /// The address is reachable from other machines, and no authentication is
    /// configured.
    #[error(
        "{0} is reachable from other machines and no authentication is configured: anyone could acquire and release \
         every lock. Give --auth-file, listen on a loopback address, or pass --insecure-no-auth to allow this"
    )]
    NotLoopback(SocketAddr),
    /// The address is reachable from other machines, and would not be encrypted.
    #[error(
        "{0} is reachable from other machines and its connections are not encrypted. Give --tls-cert and --tls-key \
         and listen on https://{0}, or pass --insecure-plaintext to allow this"
    )]
    Plaintext(SocketAddr),
    /// The auth file is not valid, or can't be read.
    #[error("the auth file is not usable: {0}")]
    AuthFile(String),
    /// The audit log can't be opened.
    #[error("could not open the audit log {path}: {source}")]
    AuditLog {
        /// Where it should be written.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// There is an auth file, and no authentication is wanted.
    #[error("--auth-file and --insecure-no-auth contradict each other: give only one of them")]
    AuthContradiction,
    /// TLS is needed, and there is no certificate for it.
    #[error("{0} needs a certificate: give --tls-cert and --tls-key")]
    NoCertificate(String),
    /// The address for probes has the scheme `https`.
    #[error("--probe-listen serves plain HTTP: give {0} without https://")]
    EncryptedProbes(SocketAddr),
    /// The certificate, its key or the authorities of clients can't be used.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The webhook can't be used.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// A trusted proxy is not an address or a network.
    #[error("--trusted-proxy {0:?} is not a network, such as 10.1.0.0/16, or an address")]
    TrustedProxy(String),
    /// A thread could not be started.
    #[error("could not start a thread: {0}")]
    Thread(io::Error),
    /// The server could not listen on the address.
    #[error("could not listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// The cause.
        source: io::Error,
    },
    /// An allowed host is not a host that a request can have.
    #[error(
        "--allowed-host {0:?} can never match: give a host name or an IP address, without a scheme, path or wildcard"
    )]
    AllowedHost(String),
    /// A signal handler could not be installed.
    #[error("could not install a signal handler: {0}")]
    Signals(io::Error),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
}

impl From<LoadError> for StartError {
    fn from(error: LoadError) -> Self {
        Self::AuthFile(error.to_string())
    }
}

/// Why a server stopped other than by a complete shutdown.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A vital part of the server ended although the server was not stopping. The
    /// rest was shut down.
    #[error("{part} {}: the server can't go on without it", if *panicked { "panicked" } else { "ended" })]
    PartEnded {
        /// The name of the part, such as `sweeper` or `writer-0`.
        part: String,
        /// Whether it ended with a panic.
        panicked: bool,
    },
    /// Not all commits were finished before the shutdown deadline.
    #[error("not all commits were finished before the shutdown deadline")]
    Unfinished,
}
