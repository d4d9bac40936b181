//! Whom the server accepts a certificate from.

use std::fs;

use rustls::ProtocolVersion;

use super::{GET_LOCKS, server};
use crate::harness::{Authority, Identity, TlsClient, Trust, eventually};

/// Requests something; `None` if the server refuses the certificate.
async fn get(url: &str, trust: &Trust) -> Option<String> {
    // In TLS 1.3 the client learns only with the first read that it was refused.
    let mut client = TlsClient::try_connect(url, trust).await.ok()?;
    client.try_send(GET_LOCKS).await.ok()?;
    client.read_to_end().await.ok()
}

#[tokio::test]
async fn client_certificate_is_optional_and_verified_when_presented() {
    let (authority, of_clients, other) = (Authority::new(), Authority::new(), Authority::new());
    let ca = of_clients.file();
    let server = server(&authority, &["--tls-client-ca", ca.to_str().unwrap(), "--log", "dlm_server=debug"]);
    // Not all that a certificate may say is a name of the client.
    let names = "DNS:worker.example,URI:spiffe://example/worker,DNS:spiffe://example/forged,\
        URI:forged.example,email:worker@example,IP:10.0.0.1";
    let good = of_clients.issue("good", names);
    let foreign = other.issue("foreign", "DNS:worker.example");
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let trust = Trust::new(&[&authority]).over(version);
        let accepted =
            |response: Option<String>| response.is_some_and(|text| text.starts_with("HTTP/1.1 200 "));
        assert!(accepted(get(server.url(), &trust).await), "without a certificate");
        assert!(accepted(get(server.url(), &trust.clone().presenting(&good)).await));
        assert_eq!(get(server.url(), &trust.presenting(&foreign)).await, None);
    }
    let logged = "certificate=\"worker.example spiffe://example/worker\" operation=\"list\"";
    eventually("the names are logged", || async { server.logs().matches(logged).count() == 2 }).await;
    assert_eq!(server.logs().matches("certificate=\"").count(), 2, "{}", server.logs());
}

#[tokio::test]
async fn authority_of_clients_is_replaced_while_the_server_runs() {
    let (authority, first, second) = (Authority::new(), Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::copy(first.file(), &ca).unwrap();
    let server = server(&authority, &["--tls-client-ca", ca.to_str().unwrap()]);
    let accepts = async |identity: &Identity| {
        get(server.url(), &Trust::new(&[&authority]).presenting(identity)).await.is_some()
    };
    let (old, new) = (first.issue("old", "DNS:a"), second.issue("new", "DNS:a"));
    assert!(accepts(&old).await && !accepts(&new).await);
    fs::write(&ca, "").unwrap();
    server.logged("TLS files refused").await;
    assert!(accepts(&old).await && !accepts(&new).await);
    fs::copy(second.file(), &ca).unwrap();
    eventually("the new authority is trusted", || async { accepts(&new).await }).await;
    assert!(!accepts(&old).await, "the old authority is still trusted");
}
