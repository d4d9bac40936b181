//! How clients reach the front, and the front the server: over TCP, or over Unix sockets.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// What everything of one test server uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Free ports of `127.0.0.1`.
    Loopback,
    /// Unix sockets in the directory of the test server.
    UnixSockets,
}

/// A connection.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Where the server listens.
#[derive(Debug)]
pub(crate) enum ServerAddress {
    Loopback(SocketAddr),
    UnixSocket(PathBuf),
}

/// Where the front listens.
#[derive(Debug)]
pub(crate) enum FrontListener {
    Loopback(TcpListener),
    UnixSocket(UnixListener, PathBuf),
}

impl Transport {
    /// The address for the server to listen on.
    pub(crate) fn listen(self, directory: &Path) -> String {
        match self {
            Self::Loopback => "127.0.0.1:0".into(),
            Self::UnixSockets => format!("unix:{}", directory.join("server.sock").display()),
        }
    }

    /// Listens for the connections of clients.
    pub(crate) async fn bind_front(self, directory: &Path) -> io::Result<FrontListener> {
        Ok(match self {
            Self::Loopback => FrontListener::Loopback(TcpListener::bind("127.0.0.1:0").await?),
            Self::UnixSockets => {
                let path = directory.join("dlm.sock");
                FrontListener::UnixSocket(UnixListener::bind(&path)?, path)
            }
        })
    }
}

impl ServerAddress {
    /// Parses a URL of the server.
    pub(crate) fn parse(url: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(match url.strip_prefix("unix:") {
            Some(path) => Self::UnixSocket(path.into()),
            None => Self::Loopback(url.trim_start_matches("http://").parse()?),
        })
    }

    pub(crate) async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        Ok(match self {
            Self::Loopback(address) => without_delay(TcpStream::connect(address).await?),
            Self::UnixSocket(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

impl FrontListener {
    /// The address of the front, for clients.
    pub(crate) fn url(&self) -> io::Result<String> {
        Ok(match self {
            Self::Loopback(listener) => format!("http://{}", listener.local_addr()?),
            Self::UnixSocket(_, path) => format!("unix:{}", path.display()),
        })
    }

    pub(crate) async fn accept(&self) -> io::Result<Box<dyn ByteStream>> {
        Ok(match self {
            Self::Loopback(listener) => without_delay(listener.accept().await?.0),
            Self::UnixSocket(listener, _) => Box::new(listener.accept().await?.0),
        })
    }
}

/// Frames are small and latency matters.
fn without_delay(stream: TcpStream) -> Box<dyn ByteStream> {
    // A connection that has ended shows when it is used.
    stream.set_nodelay(true).ok();
    Box::new(stream)
}
