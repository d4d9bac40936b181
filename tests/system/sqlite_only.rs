//! Behavior that only SQLite has: the database belongs to one server.

use crate::harness::{Acquire, Backend, ServerProcess, Sqlite, new_key, startup_error};

#[tokio::test]
async fn second_server_on_a_database_file_is_refused() {
    let server = ServerProcess::<Sqlite>::start();
    let error = startup_error(&["--listen", "127.0.0.1:0", "--database-url", &server.database().url()]);
    assert!(error.contains("another dlm-server"), "{error}");
    server.api().lock(&new_key(), &Acquire::exclusive()).await;
}
