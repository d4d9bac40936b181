//! A database restored from a backup.

use std::process::Command;

use serde_json::json;

use super::super::TestServer;
use crate::harness::{Acquire, Backend, binary, new_key};

fn restore(url: &str) -> std::process::Output {
    Command::new(binary("dlm-server"))
        .args(["restore", "--raise-tokens", "1000", "--database-url", url])
        .output()
        .unwrap()
}

#[tokio::test]
async fn restore_raises_all_tokens_and_ends_all_leases() {
    let mut server = TestServer::start();
    let api = server.api();
    let lease = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    for _ in 0..150 {
        api.lock("shared", &Acquire::shared().ttl(60_000)).await;
    }
    let cursor = api.get("/v1/events").await.ok()["cursor"].clone();
    let url = server.database().url();
    let refused = restore(&url);
    assert!(!refused.status.success(), "a server is running on the database");
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("in use by"), "{error}");
    assert!(server.terminate().success());
    let restored = restore(&url);
    assert!(restored.status.success(), "{restored:?}");
    assert!(String::from_utf8_lossy(&restored.stdout).contains("151 leases"), "{restored:?}");
    server.restart();
    let api = server.api();
    api.renew("a", &lease).await.problem(403, "not-holder");
    api.get(&format!("/v1/events?after={}", cursor.as_str().unwrap())).await.problem(400, "invalid-cursor");
    // All counters continue at the highest one, 150, plus 1000, since after the
    // backup the counters of deleted names may have become the floor of others. One
    // more for the lease that the restore ended, one more for the grant.
    assert_eq!(api.lock("a", &Acquire::exclusive()).await["fencing_token"], 1152);
    // Names that the backup does not have may have been used after it.
    assert_eq!(api.status("never/used").await["current_token"], 1150);
    assert_eq!(api.lock(&new_key(), &Acquire::exclusive()).await["fencing_token"], 1151);
    assert_eq!(api.check("a", &json!(1)).await["live"], false);
}
