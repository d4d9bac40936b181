//! Servers and databases that die again and again under busy clients.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_client::{Client, EventItem};

use crate::harness::{Backend, Own, Postgres, Server, Standby, alone, eventually, now, spawn};

const WORKERS: usize = 64;
const CLIENTS: usize = 8;
/// Locks that four workers each contend for.
const SHARED: usize = 16;
/// A lock that is free is had within this, whatever dies.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the workers were told.
#[derive(Default)]
struct Ledger {
    holders: Mutex<HashMap<String, u64>>,
    highest: Mutex<HashMap<String, u64>>,
    cycles: AtomicU64,
    /// Releases that went on in the client's thread.
    releases_put_off: AtomicU64,
    done: AtomicBool,
}

impl Ledger {
    fn granted(&self, name: &str, token: u64) {
        let other = self.holders.lock().unwrap().insert(name.to_owned(), token);
        assert_eq!(other, None, "{name} is held by two");
        let mut highest = self.highest.lock().unwrap();
        let before = highest.insert(name.to_owned(), token).unwrap_or(0);
        assert!(before < token, "{name}: {token} after {before}");
    }

    /// From before the release on: from then the next may be granted.
    fn releasing(&self, name: &str) {
        self.holders.lock().unwrap().remove(name);
    }

    fn cycles(&self) -> u64 {
        self.cycles.load(Ordering::SeqCst)
    }
}

async fn worker(client: Client, ledger: Arc<Ledger>, worker: usize) {
    for round in 0_usize.. {
        if ledger.done.load(Ordering::SeqCst) {
            return;
        }
        let own = round % 2 == 0;
        let name = if own { format!("own/{worker}") } else { format!("shared/{}", worker % SHARED) };
        let asked = now();
        let guard = client.lock(&name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let took = asked.elapsed();
        assert!(!own || took < PATIENCE, "{name} is free and took {took:?}");
        ledger.granted(&name, guard.fencing_token().get());
        // Long enough that a second holder would be seen.
        tokio::time::sleep(Duration::from_millis(1)).await;
        ledger.releasing(&name);
        if guard.release().await.is_err() {
            ledger.releases_put_off.fetch_add(1, Ordering::SeqCst);
        }
        ledger.cycles.fetch_add(1, Ordering::SeqCst);
    }
}

/// Workers on these servers, each client with another one first.
async fn workers(urls: &[String], ledger: &Arc<Ledger>) -> Vec<tokio::task::JoinHandle<()>> {
    let mut tasks = Vec::new();
    for client in 0..CLIENTS {
        let mut addresses = urls.to_vec();
        addresses.rotate_left(client % urls.len());
        let builder = Client::builder().addresses(addresses).request_timeout(Duration::from_secs(2));
        let client_of = builder.connect().await.unwrap();
        for number in (client..WORKERS).step_by(CLIENTS) {
            tasks.push(spawn(worker(client_of.clone(), Arc::clone(ledger), number)));
        }
    }
    tasks
}

async fn cycles_within(ledger: &Ledger, time: Duration) -> u64 {
    let before = ledger.cycles();
    tokio::time::sleep(time).await;
    ledger.cycles() - before
}

/// What a reader of the whole log saw, up to the end marker.
async fn reader(urls: Vec<String>, cursor: String) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    let mut cursor = cursor;
    for turn in 0_usize.. {
        // Another server each time, after another number of events.
        let mut addresses = urls.clone();
        addresses.rotate_left(turn % urls.len());
        let Ok(client) = Client::builder().addresses(addresses).connect().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let mut events = client.events().after(cursor.clone());
        for _ in 0..2000 + 700 * turn {
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
async fn of_three_servers_one_is_killed_every_two_seconds_for_a_minute() {
    let _alone = alone();
    let database = Arc::new(Postgres::new());
    let mut servers: Vec<Server<Postgres>> = (0..3).map(|_| Server::on(&database, &[])).collect();
    let urls: Vec<String> = servers.iter().map(|server| server.url().to_owned()).collect();
    let start = servers[0].api().get("/v1/events").await.ok()["cursor"].as_str().unwrap().to_owned();
    let ledger = Arc::new(Ledger::default());
    let tasks = workers(&urls, &ledger).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let undisturbed = cycles_within(&ledger, Duration::from_secs(5)).await as f64 / 5.0;
    let readers: Vec<_> = (0..6)
        .map(|reader_of| {
            let mut urls = urls.clone();
            urls.rotate_left(reader_of % 3);
            spawn(reader(urls, start.clone()))
        })
        .collect();
    let (before, began) = (ledger.cycles(), now());
    for round in 0..30 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let victim = round % 3;
        servers = tokio::task::spawn_blocking(move || {
            servers[victim].kill9_and_start_again();
            servers
        })
        .await
        .unwrap();
        assert!(tasks.iter().all(|task| !task.is_finished()), "a worker has failed");
    }
    let disturbed = (ledger.cycles() - before) as f64 / began.elapsed().as_secs_f64();
    ledger.done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    println!("{undisturbed:.0} cycles/s undisturbed, {disturbed:.0} with the kills");
    assert!(disturbed > undisturbed / 5.0, "{disturbed:.0} of {undisturbed:.0} cycles/s are left");
    let end = Client::connect(&urls.join(",")).await.unwrap().lock("the/end").await.unwrap();
    end.release().await.unwrap();
    let mut logs = Vec::new();
    for reader in readers {
        logs.push(reader.await.unwrap());
    }
    assert!(logs.iter().all(|log| *log == logs[0]), "all saw the same log");
    let mut versions: HashMap<&str, u64> = HashMap::new();
    for (name, version) in &logs[0] {
        let expected = versions.entry(name).or_default();
        *expected += 1;
        assert_eq!(version, expected, "{name}: each event once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_operation() {
    let _alone = alone();
    let database = Arc::new(Postgres::new());
    let mut servers: Vec<Server<Postgres>> = (0..2).map(|_| Server::on(&database, &[])).collect();
    let urls: Vec<String> = servers.iter().map(|server| server.url().to_owned()).collect();
    let ledger = Arc::new(Ledger::default());
    let tasks = workers(&urls, &ledger).await;
    let holder = Client::connect(&urls.join(",")).await.unwrap();
    let held = holder.lock("held/throughout").ttl(Duration::from_secs(3)).await.unwrap();
    for round in 0..4 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        servers = tokio::task::spawn_blocking(move || {
            let server = &mut servers[round % 2];
            assert!(server.terminate().success());
            server.start_again();
            servers
        })
        .await
        .unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(held.live_token().is_ok(), "{:?}", held.state());
    ledger.done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(ledger.releases_put_off.load(Ordering::SeqCst), 0, "of {} releases", ledger.cycles());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_stopped_at_once_and_started_again_loses_no_acknowledged_lease() {
    let _alone = alone();
    let mut own = Own::start();
    let server = own.server(&[]);
    let urls = vec![server.url().to_owned()];
    let ledger = Arc::new(Ledger::default());
    let tasks = workers(&urls, &ledger).await;
    let client = Client::connect(server.url()).await.unwrap();
    let held = client.lock("held/throughout").ttl(Duration::from_secs(60)).await.unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        own = tokio::task::spawn_blocking(move || {
            own.cluster.stop_immediately();
            own.cluster.start_again();
            own
        })
        .await
        .unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    held.renew(Duration::from_secs(60)).await.unwrap();
    ledger.done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_synchronous_takes_over_without_losing_an_acknowledged_lease() {
    let _alone = alone();
    let mut pair = Standby::start();
    let server = pair.server();
    let urls = vec![server.url().to_owned()];
    let ledger = Arc::new(Ledger::default());
    let tasks = workers(&urls, &ledger).await;
    let client = Client::connect(server.url()).await.unwrap();
    let held = client.lock("held/throughout").ttl(Duration::from_secs(60)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    pair = tokio::task::spawn_blocking(move || {
        pair.fail_over();
        pair
    })
    .await
    .unwrap();
    let before = ledger.cycles();
    eventually("the workers go on", || async { ledger.cycles() > before + 100 }).await;
    // The ledger has seen no token twice and no two holders; this lease lives.
    held.renew(Duration::from_secs(60)).await.unwrap();
    ledger.done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    drop(pair);
}
