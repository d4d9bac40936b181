//! A test server that uses no network. All tests of this process are without one.

mod sockets;
mod stories;

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use dlm_client::TransportKind;
use dlm_testing::TestServer;

fn start() -> TestServer {
    TestServer::start_without_network()
}

#[test]
fn server_its_front_and_its_clients_use_no_socket_of_the_network() {
    let server = start();
    for kind in [TransportKind::Session, TransportKind::Http] {
        let client = server.client_builder().transport(kind).connect_blocking().unwrap();
        let guard = client.lock_blocking("a").unwrap();
        assert_eq!(server.status("a").holder_count, 1);
        assert_eq!(sockets::of_the_network(), Vec::<String>::new());
        guard.release_blocking().unwrap();
    }
}

#[test]
fn socket_is_in_a_private_directory_that_is_removed() {
    let server = start();
    let path = Path::new(server.url().strip_prefix("unix:").unwrap()).to_owned();
    assert!(path.metadata().unwrap().file_type().is_socket());
    let directory = path.parent().unwrap();
    assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    drop(server);
    assert!(!directory.exists());
}
