//! Why a session socket ended.

use std::fmt;

#[derive(Debug)]
pub(super) enum Disconnect {
    Broken,
    /// The server closed the socket, with this code if it sent one.
    Closed(Option<u16>),
    /// The server refused the credential that the socket was opened with.
    Unauthenticated,
    /// The server stopped answering pings, or an operation timed out in silence.
    Unresponsive,
    /// The server reported itself unavailable, and there is another one to try.
    Unavailable,
    /// All handles to the client were dropped.
    ClientDropped,
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken => f.write_str("the connection broke"),
            Self::Closed(Some(code)) => write!(f, "the server closed the session with code {code}"),
            Self::Closed(None) => f.write_str("the server closed the session"),
            Self::Unauthenticated => f.write_str("the server refused the client's credential"),
            Self::Unresponsive => f.write_str("the server stopped responding"),
            Self::Unavailable => f.write_str("the server is unavailable"),
            Self::ClientDropped => f.write_str("the client was dropped"),
        }
    }
}
