//! What a server costs that has nothing to do.

use std::time::Duration;

use crate::harness::{ServerProcess, Sqlite, client, eventually};

/// A thread that polls uses many times as much, also on a machine that is busy.
const MAX_IDLE: Duration = Duration::from_millis(50);

#[tokio::test]
async fn server_without_requests_uses_next_to_no_processor_time() {
    let server = ServerProcess::<Sqlite>::start();
    let client = client(server.url()).await;
    // The writer polls for jobs while their pauses are short.
    for _ in 0..100 {
        client.lock("a").await.unwrap().release().await.unwrap();
    }
    eventually("a second costs next to nothing", || async {
        let before = server.processor_time();
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.processor_time() - before < MAX_IDLE
    })
    .await;
}
