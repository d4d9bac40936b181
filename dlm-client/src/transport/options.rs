//! How a client connects.

use super::kind::TransportKind;
use super::tls::TrustedRoots;
use crate::clock::Clock;

#[derive(Debug, Clone, Default)]
pub(crate) struct TransportOptions {
    pub(crate) kind: TransportKind,
    /// Whether to try the servers in the order of their addresses.
    pub(crate) keep_address_order: bool,
    pub(crate) trusted_roots: TrustedRoots,
    pub(crate) clock: Clock,
}
