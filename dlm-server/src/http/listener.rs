//! What the server listens on.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use tokio::net::TcpListener;

use super::stream::SocketStream;
use super::unix_socket::BoundUnixSocket;
use crate::tls::Tls;

/// The address of the clients of a Unix socket: they are on this machine.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An address that is listened on.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: ListenSocket,
    /// What encrypts its connections; without it they are plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// Whether it serves probes alone.
    pub(crate) probes_only: bool,
}

/// A socket that is listened on.
#[derive(Debug)]
pub(crate) enum ListenSocket {
    Tcp(TcpListener),
    Unix(BoundUnixSocket),
}

impl ListenSocket {
    /// Accepts a connection, and returns it with the address of the client.
    pub(super) async fn accept(&self) -> io::Result<(SocketStream, IpAddr)> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                (SocketStream::Tcp(stream), address.ip())
            }
            Self::Unix(socket) => (SocketStream::Unix(socket.accept().await?), LOCAL),
        })
    }
}
