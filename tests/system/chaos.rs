//! Servers and databases that fail repeatedly under load.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_client::{Client, EventItem};

use crate::harness::{
    Backend, DedicatedPostgres, MachineDelay, Postgres, ReplicatedPostgres, ServerProcess, eventually,
    exclusive_test_lock, now, rounds, spawn,
};

const WORKERS: usize = 64;
const CLIENTS: usize = 8;
/// Locks that four workers each contend for.
const SHARED: usize = 16;
/// A free lock is granted within this time, whatever fails.
const MAX_ACQUIRE: Duration = Duration::from_secs(5);

/// What was granted to all workers.
struct GrantHistory {
    delay: MachineDelay,
    holders: Mutex<HashMap<String, u64>>,
    highest: Mutex<HashMap<String, u64>>,
    cycles: AtomicU64,
    /// Releases that failed in the call and were left to the client's thread.
    deferred_releases: AtomicU64,
    done: AtomicBool,
}

impl GrantHistory {
    fn start() -> Arc<Self> {
        Arc::new(Self {
            delay: MachineDelay::watch(),
            holders: Mutex::default(),
            highest: Mutex::default(),
            cycles: AtomicU64::default(),
            deferred_releases: AtomicU64::default(),
            done: AtomicBool::default(),
        })
    }

    fn granted(&self, name: &str, token: u64) {
        let other = self.holders.lock().unwrap().insert(name.to_owned(), token);
        assert_eq!(other, None, "{name} has two holders");
        let mut highest = self.highest.lock().unwrap();
        let before = highest.insert(name.to_owned(), token).unwrap_or(0);
        assert!(before < token, "{name}: token {token} after {before}");
    }

    /// Called before the release: from then on the next holder may be granted.
    fn releasing(&self, name: &str) {
        self.holders.lock().unwrap().remove(name);
    }

    fn cycles(&self) -> u64 {
        self.cycles.load(Ordering::SeqCst)
    }
}

async fn worker(client: Client, history: Arc<GrantHistory>, worker: usize) {
    for round in 0_usize.. {
        if history.done.load(Ordering::SeqCst) {
            return;
        }
        let own = round % 2 == 0;
        let name = if own { format!("own/{worker}") } else { format!("shared/{}", worker % SHARED) };
        let started = now();
        let guard = client.lock(&name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let took = started.elapsed();
        if own {
            history.delay.assert_within("the acquire of a free lock", took, MAX_ACQUIRE);
        }
        history.granted(&name, guard.fencing_token().get());
        // Long enough for a second holder to be noticed.
        tokio::time::sleep(Duration::from_millis(1)).await;
        history.releasing(&name);
        if guard.release().await.is_err() {
            history.deferred_releases.fetch_add(1, Ordering::SeqCst);
        }
        history.cycles.fetch_add(1, Ordering::SeqCst);
    }
}

/// Starts the workers. Each client prefers another server.
async fn start_workers(urls: &[String], history: &Arc<GrantHistory>) -> Vec<tokio::task::JoinHandle<()>> {
    let mut tasks = Vec::new();
    for client in 0..CLIENTS {
        let mut addresses = urls.to_vec();
        addresses.rotate_left(client % urls.len());
        let builder = Client::builder().addresses(addresses).request_timeout(Duration::from_secs(2));
        let connected = builder.connect().await.unwrap();
        for number in (client..WORKERS).step_by(CLIENTS) {
            tasks.push(spawn(worker(connected.clone(), Arc::clone(history), number)));
        }
    }
    tasks
}

async fn cycles_within(history: &GrantHistory, time: Duration) -> u64 {
    let before = history.cycles();
    tokio::time::sleep(time).await;
    history.cycles() - before
}

/// Reads the event log up to the end marker, and reconnects to another server
/// again and again.
async fn read_log(urls: Vec<String>, cursor: String) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    let mut cursor = cursor;
    for attempt in 0_usize.. {
        let mut addresses = urls.clone();
        addresses.rotate_left(attempt % urls.len());
        let Ok(client) = Client::builder().addresses(addresses).connect().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let mut events = client.events().after(cursor.clone());
        for _ in 0..2000 + 700 * attempt {
            match events.next().await.unwrap().unwrap() {
                EventItem::Event(event) if event.resource.as_str() == "the/end" => return seen,
                EventItem::Event(event) => seen.push((event.resource.as_str().to_owned(), event.version)),
                EventItem::Synced => {}
                item => panic!("{item:?}"),
            }
        }
        cursor = events.cursor().unwrap().to_owned();
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_make_progress_while_one_of_three_servers_is_killed_every_two_seconds() {
    let _exclusive = exclusive_test_lock();
    let database = Arc::new(Postgres::new());
    let mut servers: Vec<ServerProcess<Postgres>> =
        (0..3).map(|_| ServerProcess::on(&database, &[])).collect();
    let urls: Vec<String> = servers.iter().map(|server| server.url().to_owned()).collect();
    let start = servers[0].api().get("/v1/events").await.ok()["cursor"].as_str().unwrap().to_owned();
    let history = GrantHistory::start();
    let tasks = start_workers(&urls, &history).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let undisturbed = cycles_within(&history, Duration::from_secs(5)).await as f64 / 5.0;
    let readers: Vec<_> = (0..6)
        .map(|reader| {
            let mut urls = urls.clone();
            urls.rotate_left(reader % 3);
            spawn(read_log(urls, start.clone()))
        })
        .collect();
    let (before, began) = (history.cycles(), now());
    for round in 0..rounds(30) {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let victim = round % 3;
        servers = tokio::task::spawn_blocking(move || {
            servers[victim].kill9_and_restart();
            servers
        })
        .await
        .unwrap();
        assert!(tasks.iter().all(|task| !task.is_finished()), "a worker failed");
    }
    let disturbed = (history.cycles() - before) as f64 / began.elapsed().as_secs_f64();
    history.done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    println!("{undisturbed:.0} cycles/s undisturbed, {disturbed:.0} during the kills");
    assert!(disturbed > undisturbed / 5.0, "only {disturbed:.0} of {undisturbed:.0} cycles/s remain");
    let end = Client::connect(&urls.join(",")).await.unwrap().lock("the/end").await.unwrap();
    end.release().await.unwrap();
    let mut logs = Vec::new();
    for reader in readers {
        logs.push(reader.await.unwrap());
    }
    assert!(logs.iter().all(|log| *log == logs[0]), "all readers saw the same log");
    let mut versions: HashMap<&str, u64> = HashMap::new();
    for (name, version) in &logs[0] {
        let expected = versions.entry(name).or_default();
        *expected += 1;
        assert_eq!(version, expected, "{name}: each event exactly once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_restart_fails_no_operation() {
    let _exclusive = exclusive_test_lock();
    let database = Arc::new(Postgres::new());
    let mut servers: Vec<ServerProcess<Postgres>> =
        (0..2).map(|_| ServerProcess::on(&database, &[])).collect();
    let urls: Vec<String> = servers.iter().map(|server| server.url().to_owned()).collect();
    let history = GrantHistory::start();
    let tasks = start_workers(&urls, &history).await;
    let holder = Client::connect(&urls.join(",")).await.unwrap();
    let ttl = Duration::from_secs(6);
    let began = now();
    let held = holder.lock("held/throughout").ttl(ttl).await.unwrap();
    for round in 0..rounds(4) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        servers = tokio::task::spawn_blocking(move || {
            let server = &mut servers[round % 2];
            assert!(server.terminate().success());
            server.restart();
            servers
        })
        .await
        .unwrap();
    }
    // Long enough for the lease to depend on its renewals.
    tokio::time::sleep((ttl + Duration::from_secs(1)).saturating_sub(began.elapsed())).await;
    assert!(held.live_token().is_ok(), "{:?}", held.state());
    history.done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(history.deferred_releases.load(Ordering::SeqCst), 0, "of {} releases", history.cycles());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_crash_loses_no_acknowledged_lease() {
    let _exclusive = exclusive_test_lock();
    let mut postgres = DedicatedPostgres::start();
    let server = postgres.server(&[]);
    let urls = vec![server.url().to_owned()];
    let history = GrantHistory::start();
    let tasks = start_workers(&urls, &history).await;
    let client = Client::connect(server.url()).await.unwrap();
    let held = client.lock("held/throughout").ttl(Duration::from_secs(60)).await.unwrap();
    for _ in 0..rounds(3) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        postgres = tokio::task::spawn_blocking(move || {
            postgres.cluster.stop_immediately();
            postgres.cluster.restart();
            postgres
        })
        .await
        .unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    held.renew(Duration::from_secs(60)).await.unwrap();
    history.done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failover_to_a_synchronous_standby_loses_no_acknowledged_lease() {
    let _exclusive = exclusive_test_lock();
    let mut databases = ReplicatedPostgres::start();
    let server = databases.server();
    let urls = vec![server.url().to_owned()];
    let history = GrantHistory::start();
    let tasks = start_workers(&urls, &history).await;
    let client = Client::connect(server.url()).await.unwrap();
    let held = client.lock("held/throughout").ttl(Duration::from_secs(60)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    databases = tokio::task::spawn_blocking(move || {
        databases.fail_over();
        databases
    })
    .await
    .unwrap();
    let before = history.cycles();
    eventually("the workers make progress", || async { history.cycles() > before + 100 }).await;
    // The workers' history checks holders and tokens; this checks a lease from
    // before the failover.
    held.renew(Duration::from_secs(60)).await.unwrap();
    history.done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    drop(databases);
}
