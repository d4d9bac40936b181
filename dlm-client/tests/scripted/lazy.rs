//! Clients that connect when they are first used, and what they say about themselves.

use std::time::Duration;

use dlm_client::Client;

use super::server::{ScriptedServer, accept_all};

const TTL: u64 = 30_000;

#[tokio::test]
async fn lazy_client_sends_nothing_before_it_is_used() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::builder().address(&url).connect_lazy().unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    client.close(Duration::from_secs(5)).await.unwrap();
    assert!(client.lock("orders/42").await.unwrap_err().is_closed());
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn lazy_client_connects_when_it_is_used() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = Client::builder().address(&server.url).connect_lazy().unwrap();
    client.lock("orders/42").await.unwrap().release().await.unwrap();
    assert_eq!(server.seen_of("release").len(), 1);
}

#[tokio::test]
async fn lazy_client_reports_invalid_settings_at_once_and_an_unreachable_server_at_its_use() {
    assert!(Client::builder().address("ftp://x").connect_lazy().unwrap_err().is_invalid());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::builder().address(format!("http://{free}")).connect_lazy().unwrap();
    assert!(client.try_lock("orders/42").await.unwrap_err().is_connect());
    assert!(client.events().resource("").next().await.unwrap().unwrap_err().is_invalid());
}

#[tokio::test]
async fn owner_is_program_host_and_process_unless_the_caller_sets_one() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    drop(client.lock("orders/42").await.unwrap());
    drop(client.lock("orders/42").owner("me").await.unwrap());
    drop(client.lock("orders/42").owner("").await.unwrap());
    let owners: Vec<_> = server
        .seen_of("acquire")
        .iter()
        .map(|request| request.body["owner"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        owners[0].contains('@') && owners[0].ends_with(&format!(":{}", std::process::id())),
        "{owners:?}"
    );
    assert_eq!(owners[1..], ["me", ""]);
}
