//! A test server on a free port.

mod sockets;
mod stories;

use dlm_testing::TestServer;

fn start() -> TestServer {
    TestServer::start()
}

#[test]
fn sockets_of_a_server_on_a_port_are_found() {
    let server = start();
    let _client = server.client_blocking();
    assert!(!sockets::of_the_network().is_empty());
}
