//! State that a server caches between batches and another server has changed.

use std::sync::Arc;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Acquire, Backend, Postgres, ServerProcess, eventually};

#[tokio::test]
async fn cached_resource_is_not_used_after_another_server_deleted_and_recreated_it() {
    let database = Arc::new(Postgres::new());
    let arguments = ["--idle-retention", "300ms"];
    let deleting: ServerProcess<Postgres> = ServerProcess::on(&database, &arguments);
    let caching: ServerProcess<Postgres> = ServerProcess::on(&database, &arguments);
    let (deleter, cacher) = (deleting.api(), caching.api());
    let lease = cacher.lock("a", &Acquire::exclusive()).await;
    cacher.release("a", &lease).await.ok();
    // Stopped, so that the other server deletes the resource.
    caching.signal(Signal::STOP);
    eventually("the resource is deleted", || async {
        deleter.get("/v1/locks?state=all").await.ok()["locks"] == Value::Array(Vec::new())
    })
    .await;
    caching.signal(Signal::CONT);
    // As many writes as before, so that the revision is the same again.
    let held = deleter.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    deleter.renew("a", &held).await.ok();
    cacher.acquire("a", &Acquire::exclusive()).await.problem(423, "lock-held");
    deleter.release("a", &held).await.ok();
    assert!(
        cacher.lock("a", &Acquire::exclusive()).await["fencing_token"].as_u64()
            > held["fencing_token"].as_u64()
    );
}
