//! Opens TCP connections to hosts with several addresses.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};

/// How long an address is tried alone before the next one is tried too.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the first address of `host` that answers (RFC 8305, "happy eyeballs"):
/// an address that goes nowhere, such as that of a broken IPv6 network, costs a
/// fraction of a second.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = lookup_host((host, port)).await?;
    connect_any(alternate_families(addresses)).await
}

/// IPv6 and IPv4 in turn, in the order of the resolver otherwise.
fn alternate_families(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let (mut current, mut other): (VecDeque<_>, VecDeque<_>) = (VecDeque::new(), VecDeque::new());
    for address in addresses {
        match current.front() {
            Some(first) if SocketAddr::is_ipv6(first) != address.is_ipv6() => other.push_back(address),
            _ => current.push_back(address),
        }
    }
    let mut alternating = Vec::with_capacity(current.len() + other.len());
    while let Some(address) = current.pop_front() {
        alternating.push(address);
        if !other.is_empty() {
            std::mem::swap(&mut current, &mut other);
        }
    }
    alternating
}

async fn connect_any(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut untried = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last_error = None;
    loop {
        match untried.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => {
                return Err(last_error.unwrap_or_else(|| io::ErrorKind::NotFound.into()));
            }
            None => {}
        }
        tokio::select! {
            Some(connected) = attempts.next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last_error = Some(error),
            },
            () = tokio::time::sleep(HEAD_START), if untried.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    fn v4(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    fn v6(port: u16) -> SocketAddr {
        (Ipv6Addr::LOCALHOST, port).into()
    }

    #[test]
    fn families_alternate_and_no_address_is_left_out() {
        let addresses = [v6(1), v6(2), v6(3), v4(4), v4(5)];
        assert_eq!(alternate_families(addresses.into_iter()), [v6(1), v4(4), v6(2), v4(5), v6(3)]);
        assert_eq!(alternate_families([v4(1), v4(2)].into_iter()), [v4(1), v4(2)]);
    }

    /// A listener whose queue is full: the kernel drops further connection attempts.
    async fn black_hole() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(v4(0)).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = Vec::new();
        while let Ok(connected) =
            tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
        {
            connections.push(connected.unwrap());
        }
        (listener, connections)
    }

    #[tokio::test]
    async fn address_that_goes_nowhere_does_not_keep_the_next_one_from_being_tried() {
        let (hole, _connections) = black_hole().await;
        let good = TcpListener::bind(v4(0)).await.unwrap();
        let addresses = vec![hole.local_addr().unwrap(), good.local_addr().unwrap()];
        let connected = tokio::time::timeout(Duration::from_secs(4), connect_any(addresses)).await;
        let stream = connected.expect("the second address is tried").unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good.local_addr().unwrap());
    }

    #[tokio::test]
    async fn refused_address_is_followed_by_the_next_one_at_once() {
        let refused = TcpListener::bind(v4(0)).await.unwrap().local_addr().unwrap();
        let good = TcpListener::bind(v4(0)).await.unwrap();
        assert!(connect_any(vec![refused, good.local_addr().unwrap()]).await.is_ok());
        assert_eq!(connect_any(vec![refused]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(connect_any(Vec::new()).await.is_err());
    }
}
