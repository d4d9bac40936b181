//! How a client connects.

use super::kind::TransportKind;
use super::tls::TlsOptions;
use crate::clock::Clock;
use crate::credentials::Credentials;

#[derive(Debug, Clone, Default)]
pub(crate) struct TransportOptions {
    pub(crate) kind: TransportKind,
    /// Whether to try the servers in the order of their addresses.
    pub(crate) keep_address_order: bool,
    pub(crate) tls: TlsOptions,
    pub(crate) credentials: Credentials,
    pub(crate) clock: Clock,
}
