//! What only a database that belongs to one server does.

use crate::harness::{Acquire, Backend, Server, Sqlite, key, refused};

#[tokio::test]
async fn a_second_server_on_a_file_is_refused() {
    let server = Server::<Sqlite>::start();
    let why = refused(&["--listen", "127.0.0.1:0", "--database-url", &server.database().url()]);
    assert!(why.contains("another dlm-server"), "{why}");
    server.api().lock(&key(), &Acquire::exclusive()).await;
}
