//! What is spoken over TLS, and what is not TLS.

use std::time::Duration;

use dlm_client::{Client, TransportKind};
use reqwest::Version;
use rustls::ProtocolVersion;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{GET_LOCKS, server};
use crate::harness::{Acquire, Api, Authority, TlsClient, Trust};

#[tokio::test]
async fn both_versions_of_http_are_served_over_both_of_tls() {
    let authority = Authority::new();
    let server = server(&authority, &[]);
    for tls in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        for (http, offered) in [
            (Version::HTTP_11, &["http/1.1"][..]),
            (Version::HTTP_2, &["h2"]),
            (Version::HTTP_2, &["http/1.1", "h2"]),
            (Version::HTTP_11, &[]),
        ] {
            let trust = Trust::new(&[&authority]).over(tls).speaking(offered);
            assert_eq!(TlsClient::connect(server.url(), &trust).await.version(), Some(tls));
            let api = Api::over_tls(server.url(), trust.config());
            let name = format!("{tls:?}/{http:?}/{offered:?}");
            let granted = api.acquire(&name, &Acquire::exclusive()).await;
            assert_eq!(granted.version, http, "{name}");
            api.release(&name, &granted.ok()).await.ok();
        }
    }
    let unknown = Trust::new(&[&authority]).speaking(&["gopher"]);
    assert!(TlsClient::try_connect(server.url(), &unknown).await.is_err(), "no protocol in common");
}

#[tokio::test]
async fn client_without_alpn_may_begin_with_the_preface_of_http2() {
    let authority = Authority::new();
    let server = server(&authority, &[]);
    let mut client = TlsClient::connect(server.url(), &Trust::new(&[&authority]).speaking(&[])).await;
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let frame = client.read(9).await.unwrap();
    assert_eq!(frame[3], 4, "not the SETTINGS of the server: {frame:?}");
}

#[tokio::test]
async fn client_library_locks_and_follows_events_over_tls() {
    let authority = Authority::new();
    let server = server(&authority, &[]);
    for kind in [TransportKind::Session, TransportKind::Http] {
        let client = Client::builder().address(server.url()).root_certificate(authority.pem());
        let client = client.transport(kind).connect().await.unwrap();
        let guard = client.lock("orders/42").await.unwrap();
        let mut events = client.events();
        guard.renew(Duration::from_secs(30)).await.unwrap();
        guard.release().await.unwrap();
        let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("an event");
        event.expect("the stream goes on").unwrap();
        client.close(Duration::from_secs(5)).await.unwrap();
    }
    assert_eq!(server.logs().matches("panicked").count(), 0);
}

#[tokio::test]
async fn plain_http_on_an_address_for_tls_is_closed_without_a_reset() {
    let authority = Authority::new();
    let server = server(&authority, &["--log", "dlm_server=debug"]);
    let mut client = TcpStream::connect(server.url().trim_start_matches("https://")).await.unwrap();
    // More than is read before the server knows.
    client.write_all(GET_LOCKS).await.unwrap();
    client.write_all(&vec![b'x'; 100_000]).await.unwrap();
    let mut received = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(9), client.read_to_end(&mut received)).await;
    read.expect("the server closes soon").expect("no reset");
    // An alert of TLS, which ends the connection.
    assert_eq!(received.first(), Some(&21), "{received:?}");
    server.logged("TLS handshake failed").await;
}
