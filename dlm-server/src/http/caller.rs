//! The client of a connection, and what it may ask for.

use std::net::IpAddr;
use std::sync::Arc;

use super::peer::Peer;
use super::places::Full;
use crate::tls::ClientCertificate;

/// The client of a connection.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Where the connection is from: the client itself, or a proxy.
    pub(super) address: IpAddr,
    pub(super) over_tls: bool,
    /// What the client presented, if anything.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    /// Of a connection that speaks HTTP/1. HTTP/2 reads while it serves, and a
    /// client that closes its direction has given up the connection.
    pub(super) peer: Option<Peer>,
    pub(super) access: Access,
}

/// What the client of a connection may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Everything,
    /// The listener serves probes alone, and nothing else exists on it.
    Probes,
    /// Only what the reserve is for, for this reason. The connection is closed after one
    /// response.
    Refused(Full),
}

impl Caller {
    /// The names in the client's certificate, as the log shows them.
    pub(super) fn certificate_names(&self) -> Option<String> {
        self.certificate.as_deref().map(ClientCertificate::joined_names)
    }
}

impl Access {
    /// What remains without a regular place.
    pub(super) fn refused(self, why: Full) -> Self {
        match self {
            Self::Everything => Self::Refused(why),
            only_probes => only_probes,
        }
    }
}
