//! Servers that listen on a Unix socket.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_client::{BearerToken, Client, ClientBuilder, EventItem, TransportKind};
use tempfile::TempDir;

use super::server::{ReceivedRequest, ScriptedServer, SessionMode, accept_all};
use super::socket::accept_frame;

const TTL: u64 = 30_000;
const KINDS: [TransportKind; 2] = [TransportKind::Session, TransportKind::Http];

/// A path for a socket, and its directory.
fn path() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("my dlm%20.sock");
    (directory, path)
}

fn session() -> SessionMode {
    SessionMode::Open(Duration::ZERO, Box::new(|request: &ReceivedRequest| accept_frame(request, TTL)))
}

fn builder(url: &str, kind: TransportKind) -> ClientBuilder {
    Client::builder().address(url).transport(kind)
}

#[tokio::test]
async fn every_request_goes_over_the_unix_socket_as_localhost_with_the_token() {
    for kind in KINDS {
        let (_directory, path) = path();
        let server = ScriptedServer::on_socket(&path, session(), accept_all(TTL));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        server.set_gate(Box::new(move |request| {
            let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
            seen.lock().unwrap().push((request.path.clone(), header("host"), header("authorization")));
            None
        }));
        let token = BearerToken::new("s3cret").unwrap();
        let client = builder(&server.url, kind).bearer_token(token).connect().await.unwrap();
        client.lock("orders/42").await.unwrap().release().await.unwrap();
        assert_eq!(client.events().next().await.unwrap().unwrap(), EventItem::Synced);
        assert_eq!(server.seen_of("release").len(), 1);
        let heads = heads.lock().unwrap();
        let expected = if kind == TransportKind::Session { "/v1/session" } else { "/acquire" };
        for path in [expected, "/v1/events"] {
            assert!(heads.iter().any(|(to, ..)| to.contains(path)), "{heads:?}");
        }
        for (to, host, authorization) in heads.iter() {
            assert_eq!((&**host, &**authorization), ("localhost", "Bearer s3cret"), "{to}");
        }
    }
}

#[tokio::test]
async fn client_reconnects_to_the_socket_of_a_server_that_was_restarted() {
    for kind in KINDS {
        let (_directory, path) = path();
        let server = ScriptedServer::on_socket(&path, session(), accept_all(TTL));
        let client = builder(&server.url, kind).connect().await.unwrap();
        drop(client.lock("a").await.unwrap());
        drop(server);
        std::fs::remove_file(&path).unwrap();
        let server = ScriptedServer::on_socket(&path, session(), accept_all(TTL));
        client.lock("b").await.unwrap().release().await.unwrap();
        assert!(!server.seen_of("acquire").is_empty());
    }
}

#[tokio::test]
async fn client_fails_over_from_a_unix_socket_to_the_network() {
    let (_directory, path) = path();
    let over_network = ScriptedServer::start(accept_all(TTL));
    let addresses = [format!("unix:{}", path.display()), over_network.url.clone()];
    let builder = Client::builder().addresses(addresses).keep_address_order(true);
    let client = builder.transport(TransportKind::Http).connect().await.unwrap();
    client.lock("a").await.unwrap().release().await.unwrap();
    assert_eq!(over_network.seen_of("release").len(), 1);
}

#[tokio::test]
async fn error_names_the_socket_that_nobody_listens_on() {
    let (_directory, path) = path();
    let url = format!("unix:{}", path.display());
    let missing = format!("the socket `{}`: No such file or directory (os error 2)", path.display());
    for kind in KINDS {
        let error = builder(&url, kind).connect().await.unwrap_err();
        assert!(error.is_connect() && error.is_retryable(), "{error:?}");
        assert_eq!(format!("{error:#}"), format!("could not connect to the server: {missing}"));
    }
    // The file of a server that has died.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let error = builder(&url, TransportKind::Http).connect().await.unwrap_err();
    assert!(format!("{error:#}").contains("my dlm%20.sock`: Connection refused"), "{error:#}");
}
