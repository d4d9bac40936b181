//! What a server keeps in memory between batches, held against what others
//! stored since.

use std::sync::Arc;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Acquire, Backend, Postgres, Server, eventually};

#[tokio::test]
async fn what_was_forgotten_and_used_again_at_another_server_is_not_taken_for_what_was() {
    let database = Arc::new(Postgres::new());
    let arguments = ["--idle-retention", "300ms"];
    let forgets: Server<Postgres> = Server::on(&database, &arguments);
    let remembers: Server<Postgres> = Server::on(&database, &arguments);
    let (here, there) = (forgets.api(), remembers.api());
    let lease = there.lock("a", &Acquire::exclusive()).await;
    there.release("a", &lease).await.ok();
    // So that it is the other one that forgets.
    remembers.signal(Signal::STOP);
    eventually("it is forgotten", || async {
        here.get("/v1/locks?state=all").await.ok()["locks"] == Value::Array(Vec::new())
    })
    .await;
    remembers.signal(Signal::CONT);
    // As many writes as it had before.
    let held = here.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    here.renew("a", &held).await.ok();
    there.acquire("a", &Acquire::exclusive()).await.problem(423, "lock-held");
    here.release("a", &held).await.ok();
    assert!(
        there.lock("a", &Acquire::exclusive()).await["fencing_token"].as_u64()
            > held["fencing_token"].as_u64()
    );
}
