//! Many expensive reads at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{JoinError, JoinHandle};

use super::super::{Database, TestServer};
use crate::harness::{
    Acquire, Api, MachineDelay, ServerProcess, eventually, exclusive_test_lock, micros, now, spawn,
};

const READERS: usize = 400;
const LOCKS: usize = 1_000;

/// Readers that ask again and again until they are stopped.
struct ReadLoad {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    readers: Vec<JoinHandle<()>>,
}

impl ReadLoad {
    /// Every reader asks for full lists, statuses or pages of events.
    fn start(api: &Api, delay: &Arc<MachineDelay>) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let reader = |index: usize| {
            let (api, stop, answered) = (api.clone(), Arc::clone(&stop), Arc::clone(&answered));
            let delay = Arc::clone(delay);
            spawn(async move {
                let paths = ["/v1/locks?limit=1000", "/v1/events?limit=1000", "/v1/locks/held%2F0"];
                while !stop.load(Ordering::SeqCst) {
                    let asked = now();
                    let response = api.get(paths[index % paths.len()]).await;
                    answered.fetch_add(1, Ordering::SeqCst);
                    if response.status == 503 {
                        response.problem(503, "unavailable");
                        assert!(response.headers.contains_key("retry-after"));
                        delay.assert_within("a refusal", asked.elapsed(), Duration::from_secs(5));
                    } else {
                        response.ok();
                    }
                }
            })
        };
        let readers = (0..READERS).map(reader).collect();
        Self { stop, answered, readers }
    }

    /// Returns how the readers ended.
    async fn stop(self) -> Vec<Result<(), JoinError>> {
        self.stop.store(true, Ordering::SeqCst);
        join_all(self.readers).await
    }
}

async fn fill(api: &Api) {
    for chunk in 0..LOCKS / 100 {
        let lock = |index: usize| {
            let api = api.clone();
            async move { api.lock(&format!("held/{index}"), &Acquire::exclusive().ttl(600_000)).await }
        };
        join_all((chunk * 100..(chunk + 1) * 100).map(lock)).await;
    }
}

/// Lets leases expire one after the other; returns when they should have, by name.
async fn let_expire(api: &Api, prefix: &str) -> Vec<(String, i64)> {
    let mut expiring = Vec::new();
    for index in 0..10 {
        let name = format!("{prefix}/{index}");
        let lease = api.lock(&name, &Acquire::exclusive().ttl(300)).await;
        expiring.push((name, micros(&lease["expires_at"])));
    }
    expiring
}

/// The longest time by which one of these leases expired late.
async fn longest_delay(api: &Api, leases: Vec<(String, i64)>) -> Duration {
    let mut longest = 0;
    for (name, expires_at) in leases {
        let events = api.events(&name).await;
        let expired = events.iter().find(|event| event["kind"] == "expired").expect("an expiry");
        longest = longest.max(micros(&expired["at"]) - expires_at);
    }
    Duration::from_micros(u64::try_from(longest).expect("no lease expires early"))
}

async fn expired(api: &Api, count: usize) {
    let sample = format!("dlm_events_total{{kind=\"expired\"}} {count}\n");
    eventually("the leases expire", || async { api.get("/metrics").await.text.contains(&sample) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b54_leases_expire_on_time_while_hundreds_read() {
    let _exclusive = exclusive_test_lock();
    let delay = Arc::new(MachineDelay::watch());
    let server: ServerProcess<Database> = TestServer::start();
    let api = server.api();
    fill(&api).await;
    let quiet = let_expire(&api, "quiet").await;
    expired(&api, 10).await;
    let load = ReadLoad::start(&api, &delay);
    eventually("the readers are at work", || async { load.answered.load(Ordering::SeqCst) > 20 }).await;
    let loaded = let_expire(&api, "loaded").await;
    expired(&api, 20).await;
    assert_eq!(api.get("/readyz").await.status, 200);
    let readers = load.stop().await;
    let (quiet, loaded) = (longest_delay(&api, quiet).await, longest_delay(&api, loaded).await);
    // Readers and server share the processors of this machine, and it may be slow.
    let bound = delay.extend(Duration::from_millis(250)).max(4 * quiet);
    assert!(loaded < bound, "{loaded:?} late, {quiet:?} without readers");
    for reader in readers {
        reader.expect("the reader was answered in time");
    }
}
