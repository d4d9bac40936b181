//! Servers that share a database and its load use one writer each while it is enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use crate::harness::{Acquire, Api, Backend, Postgres, ServerProcess, eventually, spawn};

const LOCKS: usize = 12;

/// Workers that contend for these locks with those of other servers, until it is stopped.
struct Load {
    is_over: Arc<AtomicBool>,
    workers: Vec<tokio::task::JoinHandle<Vec<(usize, u64)>>>,
}

impl Load {
    fn start(api: &Api) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let worker = |lock: usize| {
            let (api, is_over) = (api.clone(), Arc::clone(&is_over));
            spawn(async move {
                let (name, mut tokens) = (format!("a/{lock}"), Vec::new());
                while !is_over.load(Ordering::Relaxed) {
                    let lease = api.lock(&name, &Acquire::exclusive().wait(20_000)).await;
                    tokens.push((lock, lease["fencing_token"].as_u64().unwrap()));
                    api.release(&name, &lease).await.ok();
                }
                tokens
            })
        };
        let workers = (0..2 * LOCKS).map(|index| worker(index % LOCKS)).collect();
        Self { is_over, workers }
    }

    /// The lock and the token of each lease that the workers had.
    async fn stop(self) -> Vec<(usize, u64)> {
        self.is_over.store(true, Ordering::Relaxed);
        join_all(self.workers).await.into_iter().flat_map(Result::unwrap).collect()
    }
}

async fn use_writers(api: &Api, count: f64) {
    eventually("the writers join or part", || async { api.metric("dlm_writers").await == Some(count) }).await;
}

/// All requests are answered whenever that changes: each token is that of one lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_writer_executes_the_operations_of_a_server_while_its_peers_have_load() {
    let database = Arc::new(Postgres::new());
    let first: ServerProcess<Postgres> = ServerProcess::on(&database, &["--writers", "3"]);
    let load = Load::start(&first.api());
    use_writers(&first.api(), 3.0).await;
    let mut leases = Vec::new();
    for _ in 0..2 {
        let mut second: ServerProcess<Postgres> = ServerProcess::on(&database, &["--writers", "2"]);
        let load_of_second = Load::start(&second.api());
        use_writers(&first.api(), 1.0).await;
        use_writers(&second.api(), 1.0).await;
        leases.extend(load_of_second.stop().await);
        assert!(second.terminate().success());
        use_writers(&first.api(), 3.0).await;
    }
    leases.extend(load.stop().await);
    leases.sort_unstable();
    for lock in 0..LOCKS {
        let tokens: Vec<u64> = leases.iter().filter(|lease| lease.0 == lock).map(|lease| lease.1).collect();
        assert!(tokens.iter().copied().eq(1..=tokens.len() as u64), "{tokens:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_writers_of_a_server_are_used_while_its_peers_are_idle() {
    let database = Arc::new(Postgres::new());
    let first: ServerProcess<Postgres> = ServerProcess::on(&database, &["--writers", "2"]);
    let load = Load::start(&first.api());
    let second: ServerProcess<Postgres> = ServerProcess::on(&database, &["--writers", "2"]);
    let last_heartbeat = || database.query_i64("SELECT min(seen_at) FROM replicas");
    eventually("the first server has load", || async {
        database.query_i64("SELECT max(load) FROM replicas") >= 100
    })
    .await;
    let begun = last_heartbeat();
    eventually("both servers go on for four seconds", || async {
        assert_eq!(first.api().metric("dlm_writers").await, Some(2.0));
        last_heartbeat() >= begun + 4_000_000
    })
    .await;
    let load_of_second = Load::start(&second.api());
    use_writers(&first.api(), 1.0).await;
    load_of_second.stop().await;
    use_writers(&first.api(), 2.0).await;
    load.stop().await;
}
