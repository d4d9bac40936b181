//! Where a request comes from.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Where a request comes from, and its id. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The address of the client, or of the first proxy that is not trusted.
    pub(crate) address: IpAddr,
    pub(crate) request: RequestRef,
}

/// The id of a request, as its response has it.
#[derive(Debug, Clone)]
pub(crate) enum RequestRef {
    Http(Arc<str>),
    /// A frame of a session. A frame that can't be decoded may have no id.
    Frame {
        session: Arc<str>,
        id: Option<u64>,
    },
}

impl fmt::Display for RequestRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(id) | Self::Frame { session: id, id: None } => f.write_str(id),
            Self::Frame { session, id: Some(id) } => write!(f, "{session}/{id}"),
        }
    }
}
