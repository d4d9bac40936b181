//! On Postgres each resource has a row of its name, which says when to check it, and whether it may be in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::{Acquire, Api, Backend, Postgres, ServerProcess, eventually, spawn};

/// How many resources are in use without their names saying so, or are to be checked at another instant.
const MISMATCHES: &str = "SELECT count(*) FROM resources LEFT JOIN resource_names AS named USING (name) \
    WHERE ((holder_count > 0 OR queue_len > 0) AND named.in_use IS NOT TRUE) \
        OR named.check_at IS DISTINCT FROM resources.check_at";

/// Acquires and releases a few locks, with terms that are shorter or longer than idle locks are kept.
async fn work(api: Api, worker: u64, done: Arc<AtomicBool>) {
    let mut round = worker;
    while !done.load(Ordering::Relaxed) {
        // Another lock, term and wait each time, in an order of each worker's own.
        round = round * 7 + worker + 1;
        let (name, ttl, wait) = (format!("{}", round % 6), 100 + round % 1_400, round % 190);
        round %= 1_000_003;
        let acquire = if ttl % 3 == 0 { Acquire::shared() } else { Acquire::exclusive() };
        let response = api.acquire(&name, &acquire.ttl(ttl).wait(wait)).await;
        // A quarter of them expires.
        if response.status == 200 && ttl % 4 != 0 {
            api.release(&name, &response.ok()["lease"]).await;
        }
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

#[tokio::test]
async fn name_says_that_its_lock_is_in_use_whichever_server_used_it() {
    let database = Arc::new(Postgres::new());
    let options = ["--idle-retention", "500ms"];
    let servers: [ServerProcess<Postgres>; 2] =
        std::array::from_fn(|_| ServerProcess::on(&database, &options));
    let done = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..8)
        .map(|number| spawn(work(servers[number % 2].api(), number as u64, Arc::clone(&done))))
        .collect();
    for _ in 0..200 {
        assert_eq!(database.query_i64(MISMATCHES), 0);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    done.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let rows = || {
        database.query_i64("SELECT (SELECT count(*) FROM resources) + (SELECT count(*) FROM resource_names)")
    };
    eventually("idle locks are forgotten", || async { rows() == 0 }).await;
}

#[tokio::test]
async fn lock_whose_term_is_longer_than_idle_locks_are_kept_is_listed_as_held() {
    let server = ServerProcess::<Postgres>::start_with(&["--idle-retention", "30s"]);
    let (api, database) = (server.api(), server.database());
    let lease = api.lock("a", &Acquire::exclusive().ttl(100)).await;
    // It may have expired already.
    api.release("a", &lease).await;
    eventually("it is checked", || async {
        database.query_i64("SELECT count(*) FROM resource_names WHERE NOT in_use") == 1
    })
    .await;
    // Its next check stays the same.
    api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let page = api.get("/v1/locks?state=held").await.ok();
    assert_eq!(page["locks"][0]["resource"], "a", "{page}");
}
