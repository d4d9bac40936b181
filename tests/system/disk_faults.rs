//! A disk under a SQLite database that hangs, fails to sync, or is full.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::{
    Acquire, Api, ApiResponse, Backend, DiskFault, FaultyDisk, MachineDelay, ServerProcess, Sqlite,
    eventually, new_key, now, quiet_test_lock, spawn,
};

/// Callers of a database that does not respond are answered within five seconds; the
/// rest is for a busy machine.
const BOUNDED: Duration = Duration::from_secs(8);

async fn bounded(
    delay: &MachineDelay,
    what: &str,
    response: impl Future<Output = ApiResponse>,
) -> ApiResponse {
    let asked = now();
    let response = tokio::time::timeout(Duration::from_secs(60), response).await.expect(what);
    delay.assert_within(what, asked.elapsed(), BOUNDED);
    response
}

/// A held lock with a waiter behind it.
async fn held_with_waiter(api: &Api) -> (Value, JoinHandle<Value>) {
    let held = api.lock("held", &Acquire::exclusive().ttl(600_000)).await;
    let waiting = {
        let api = api.clone();
        spawn(async move { api.lock("held", &Acquire::exclusive().wait(600_000).key(&new_key())).await })
    };
    eventually("the acquire is queued", || async { api.queue_len("held").await == 1 }).await;
    (held, waiting)
}

/// One of each operation that writes. `keys` are those of the acquires.
async fn all_writes(delay: &MachineDelay, api: &Api, held: &Value, keys: &[String; 2]) -> Vec<ApiResponse> {
    let (token, check) = (json!(99), json!({"fencing_token": 1}));
    let [keyed, waiting] = keys;
    let (at_once, waits) = (Acquire::exclusive().key(keyed), Acquire::exclusive().wait(600_000).key(waiting));
    let (keyed, waiting, renewed, released, cancelled, checked, forced) = tokio::join!(
        bounded(delay, "an acquire", api.acquire(keyed, &at_once)),
        bounded(delay, "an acquire that waits", api.acquire(waiting, &waits)),
        bounded(delay, "a renewal", api.renew("held", held)),
        bounded(delay, "a release", api.release("none", held)),
        bounded(delay, "a cancel", api.cancel("none", "none")),
        bounded(delay, "a check", api.post("/v1/locks/held/check", &check)),
        bounded(delay, "a force-release", api.force_release("held", &token)),
    );
    released.problem(403, "not-holder");
    vec![keyed, waiting, renewed, cancelled, checked, forced]
}

fn are_unavailable(responses: &[ApiResponse]) {
    for response in responses {
        let problem = response.problem(503, "unavailable");
        assert!(problem["retry_after_ms"].as_u64().is_some(), "{problem}");
    }
}

async fn is_ready(api: &Api) -> bool {
    api.get("/readyz").await.status == 200
}

/// A retry with the key of an acquire of unknown outcome gets its only lease.
async fn retry_gets_one_lease(api: &Api, key: &str, acquire: Acquire) {
    let lease = api.lock(key, &acquire.key(key)).await;
    assert_eq!(lease["fencing_token"], 1);
    let kinds = api.event_kinds(key).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "granted").count(), 1, "{kinds:?}");
    api.renew(key, &lease).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b41_callers_of_a_disk_that_hangs_are_answered() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let disk = FaultyDisk::new();
    let server: ServerProcess<Sqlite> = disk.server(&[]);
    let (api, sessions) = (server.api(), Api::over_sessions(server.url()));
    let (held, waiter) = held_with_waiter(&api).await;
    disk.fail(DiskFault::Hang);
    let (http_keys, session_keys) = ([new_key(), new_key()], [new_key(), new_key()]);
    let at_once = Acquire::exclusive().ttl(600_000);
    let waits = at_once.clone().wait(60_000);
    let keyless = bounded(&delay, "a keyless acquire", api.acquire("keyless", &at_once));
    let keyless_waiting = bounded(&delay, "a keyless waiter", api.acquire("keyless/2", &waits));
    let (first, second, keyless, keyless_waiting) = tokio::join!(
        all_writes(&delay, &api, &held, &http_keys),
        all_writes(&delay, &sessions, &held, &session_keys),
        keyless,
        keyless_waiting
    );
    are_unavailable(&first);
    are_unavailable(&second);
    are_unavailable(&[keyless, keyless_waiting]);
    // The server knows by then.
    let asked = now();
    are_unavailable(&all_writes(&delay, &api, &held, &[new_key(), new_key()]).await);
    delay.assert_within("all writes", asked.elapsed(), Duration::from_secs(3));
    for path in [
        "/v1/locks/held",
        "/v1/locks",
        "/v1/events?limit=10",
        "/v1/overview",
        "/v1/wait-graph",
        "/v1/locks/held/explain",
        "/v1/owners",
        "/v1/state",
    ] {
        bounded(&delay, path, api.get(path)).await.ok();
    }
    let ready = bounded(&delay, "readiness", api.get("/readyz")).await;
    assert!(ready.status == 503 && ready.text.contains("does not respond"), "{}", ready.text);
    assert_eq!(api.get("/livez").await.status, 200);
    assert!(!waiter.is_finished(), "a waiter goes on waiting");
    disk.heal();
    eventually("the server is ready again", || is_ready(&api)).await;
    for keys in [&http_keys, &session_keys] {
        retry_gets_one_lease(&api, &keys[0], Acquire::exclusive()).await;
        retry_gets_one_lease(&api, &keys[1], Acquire::exclusive().wait(600_000)).await;
    }
    for name in ["keyless", "keyless/2"] {
        eventually("what could not be delivered is released", || async {
            api.status(name).await["state"] == "free"
        })
        .await;
        // One that the writer had not come to was taken out of its queue.
        let kinds = api.event_kinds(name).await;
        assert!(kinds.is_empty() || kinds == ["granted", "released"], "{name}: {kinds:?}");
    }
    api.renew("held", &held).await.ok();
    api.release("held", &held).await.ok();
    assert_eq!(waiter.await.unwrap()["fencing_token"], 2);
    assert_eq!(api.event_kinds("held").await, ["granted", "queued", "released", "granted"]);
    server.logged("writer stalled").await;
    server.logged("writer goes on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_a_disk_that_hangs_are_answered() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let disk = FaultyDisk::new();
    let server: ServerProcess<Sqlite> = disk.server(&[]);
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(600_000)).await;
    // A connection reads again what another one has written.
    disk.database().execute("UPDATE meta SET name = name");
    disk.fail(DiskFault::HangWithReads);
    let delay = Arc::new(delay);
    let reads = (0..20).map(|read| {
        let (api, delay) = (api.clone(), Arc::clone(&delay));
        let path = ["/v1/locks/a", "/v1/locks", "/v1/events?limit=10", "/v1/overview"][read % 4];
        spawn(async move { bounded(&delay, path, api.get(path)).await })
    });
    let reads: Vec<_> = reads.collect();
    let mut unavailable = 0;
    for read in reads {
        unavailable += usize::from(read.await.unwrap().status == 503);
    }
    assert!(unavailable > 0, "no read had to read from the disk");
    assert_eq!(api.get("/livez").await.status, 200);
    disk.heal();
    eventually("reads are answered again", || async { api.get("/v1/locks/a").await.status == 200 }).await;
    eventually("the server is ready again", || is_ready(&api)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_stops_in_time_although_its_disk_hangs() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let disk = FaultyDisk::new();
    let mut server: ServerProcess<Sqlite> = disk.server(&[]);
    let api = server.api();
    let held = api.lock("held", &Acquire::exclusive().ttl(600_000)).await;
    let key = new_key();
    let waiter = {
        let (api, key) = (api.clone(), key.clone());
        spawn(async move { api.try_acquire("held", &Acquire::exclusive().wait(600_000).key(&key)).await })
    };
    eventually("the acquire is queued", || async { api.queue_len("held").await == 1 }).await;
    disk.fail(DiskFault::Hang);
    let acquiring = {
        let api = api.clone();
        spawn(async move { api.try_acquire("a", &Acquire::exclusive()).await })
    };
    // By now the acquire has reached the disk.
    eventually("the server is not ready", || async { !is_ready(&api).await }).await;
    let terminated = now();
    let status = server.terminate();
    delay.assert_within("the exit", terminated.elapsed(), Duration::from_secs(13));
    assert_eq!(status.code(), Some(1), "commits were not finished");
    for request in [waiter, acquiring] {
        // Nothing is held open while a server stops.
        request.await.unwrap().expect("a response").problem(503, "unavailable");
    }
    disk.heal();
    server.restart();
    let api = server.api();
    api.renew("held", &held).await.ok();
    api.release("held", &held).await.ok();
    let granted = api.lock("held", &Acquire::exclusive().wait(600_000).key(&key)).await;
    assert_eq!(granted["fencing_token"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b42_commit_whose_sync_fails_has_one_effect() {
    let disk = FaultyDisk::new();
    let server: ServerProcess<Sqlite> = disk.server(&[]);
    let api = server.api();
    for round in 0..10 {
        let name = format!("a/{round}");
        disk.fail(DiskFault::OneSyncError);
        // Without a key: if the batch ran twice, the acquire would conflict with its own lease.
        let lease = api.acquire(&name, &Acquire::exclusive()).await.ok();
        assert!(!disk.is_failing(), "round {round}");
        assert_eq!(lease["fencing_token"], 1, "round {round}");
        assert_eq!(api.event_kinds(&name).await, ["granted"]);
        disk.fail(DiskFault::OneSyncError);
        api.release(&name, &lease).await.ok();
        assert!(!disk.is_failing(), "round {round}");
        assert_eq!(api.event_kinds(&name).await, ["granted", "released"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b41_disk_that_fails_to_sync_grants_nothing_twice() {
    unwritable_disk_loses_nothing(DiskFault::SyncErrors).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_cannot_write_is_not_ready_and_says_why() {
    let delay = MachineDelay::watch();
    let disk = FaultyDisk::new();
    let server: ServerProcess<Sqlite> = disk.server(&[]);
    let api = server.api();
    // Nothing is due or asked for that would have to be written.
    for (fault, why) in [(DiskFault::Full, "disk is full"), (DiskFault::SyncErrors, "disk reports errors")] {
        assert!(is_ready(&api).await);
        disk.fail(fault);
        let unready = bounded(&delay, "readiness", api.get("/readyz")).await.problem(503, "unavailable");
        assert!(unready["detail"].as_str().unwrap().contains(why), "{unready}");
        assert_eq!(api.get("/livez").await.status, 200);
        let refused = bounded(&delay, "an acquire", api.acquire("a", &Acquire::exclusive())).await;
        assert!(refused.problem(503, "unavailable")["detail"].as_str().unwrap().contains(why), "{refused:?}");
        let error = dlm_client::Client::connect(server.url()).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        disk.heal();
        eventually("the server is ready again", || is_ready(&api)).await;
    }
    assert_eq!(api.event_kinds("a").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b41_full_disk_grants_nothing_twice() {
    unwritable_disk_loses_nothing(DiskFault::Full).await;
}

async fn unwritable_disk_loses_nothing(fault: DiskFault) {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let disk = Arc::new(FaultyDisk::new());
    let server: ServerProcess<Sqlite> = disk.server(&[]);
    let (api, sessions) = (server.api(), Api::over_sessions(server.url()));
    let (held, waiter) = held_with_waiter(&api).await;
    disk.fail(fault);
    let (http_keys, session_keys) = ([new_key(), new_key()], [new_key(), new_key()]);
    let (first, second) = tokio::join!(
        all_writes(&delay, &api, &held, &http_keys),
        all_writes(&delay, &sessions, &held, &session_keys)
    );
    are_unavailable(&first[..3]);
    are_unavailable(&second[..3]);
    for path in [
        "/v1/locks/held",
        "/v1/locks",
        "/v1/events?limit=10",
        "/v1/overview",
        "/v1/wait-graph",
        "/v1/locks/held/explain",
        "/v1/owners",
        "/v1/state",
    ] {
        bounded(&delay, path, api.get(path)).await.ok();
    }
    assert!(!waiter.is_finished(), "a waiter goes on waiting");
    disk.heal();
    eventually("the server is ready again", || is_ready(&api)).await;
    for keys in [&http_keys, &session_keys] {
        retry_gets_one_lease(&api, &keys[0], Acquire::exclusive()).await;
        retry_gets_one_lease(&api, &keys[1], Acquire::exclusive().wait(600_000)).await;
    }
    api.renew("held", &held).await.ok();
    // Workers take turns at one lock, while the disk fails again and again.
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let api = api.clone();
            spawn(async move { take_turns(&api, 10).await })
        })
        .collect();
    while !workers.iter().all(JoinHandle::is_finished) {
        disk.fail(fault);
        tokio::time::sleep(Duration::from_millis(60)).await;
        disk.heal();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let mut tokens = Vec::new();
    for worker in workers {
        tokens.extend(worker.await.unwrap());
    }
    tokens.sort_unstable();
    assert_eq!(tokens, (1..=40).collect::<Vec<_>>(), "each grant was delivered once");
    let turns = ["granted", "released"].repeat(40);
    let mut kinds = api.event_kinds("turns").await;
    kinds.retain(|kind| kind != "queued");
    let mut granted_then_released = kinds.iter();
    assert!(
        turns.iter().all(|kind| granted_then_released.next().is_some_and(|found| found == kind)),
        "{kinds:?}"
    );
    api.release("held", &held).await.ok();
    assert_eq!(waiter.await.unwrap()["fencing_token"], 2);
    assert_eq!(api.event_kinds("held").await, ["granted", "queued", "released", "granted"]);
}

/// Acquires and releases a lock this often, each with retries. Returns the tokens.
async fn take_turns(api: &Api, turns: usize) -> Vec<u64> {
    let mut tokens = Vec::new();
    for _ in 0..turns {
        let acquire = Acquire::exclusive().ttl(600_000).wait(600_000).key(&new_key());
        let lease = retried(|| api.acquire("turns", &acquire)).await;
        tokens.push(lease["fencing_token"].as_u64().expect("a token"));
        retried(|| api.release("turns", &lease)).await;
    }
    tokens
}

/// Repeats a request until it succeeds.
async fn retried<F: Future<Output = ApiResponse>>(request: impl Fn() -> F) -> Value {
    loop {
        let response = request().await;
        match response.status {
            202 => {}
            503 => tokio::time::sleep(Duration::from_millis(20)).await,
            _ => return response.ok(),
        }
    }
}
