//! A SQLite file that another program has locked.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Acquire, Api, ApiResponse, Backend, MachineDelay, OverSessions, ServerProcess, Sqlite, eventually,
    expires_at, new_key, now, quiet_test_lock, spawn, startup_error,
};

/// Callers are promised an answer after two seconds; the rest is for a busy machine.
const PROMPT: Duration = Duration::from_secs(3);

/// Waits for a response that must come in time.
async fn prompt(
    delay: &MachineDelay,
    what: &str,
    response: impl Future<Output = ApiResponse>,
) -> ApiResponse {
    let asked = now();
    let response = response.await;
    delay.assert_within(what, asked.elapsed(), PROMPT);
    response
}

/// Every operation that writes, all at once.
async fn writes_are_refused(delay: &MachineDelay, api: &Api, lease: &serde_json::Value) {
    let (name, key) = (new_key(), new_key());
    let (keyless, keyed) = (Acquire::exclusive(), Acquire::exclusive().wait(60_000).key(&key));
    let token = json!(99);
    let renewals = json!({"leases": [{"resource": "held", "lease_id": lease["lease_id"]}]});
    let (acquired, waiting, renewed, released, cancelled, forced, many) = tokio::join!(
        prompt(delay, "an acquire", api.acquire(&name, &keyless)),
        prompt(delay, "an acquire that waits", api.acquire(&name, &keyed)),
        prompt(delay, "a renewal", api.renew("held", lease)),
        prompt(delay, "a release", api.release("held", lease)),
        prompt(delay, "a cancel", api.cancel("held", &key)),
        prompt(delay, "a force-release", api.force_release("held", &token)),
        prompt(delay, "a renewal of several", api.post("/v1/renew", &renewals)),
    );
    for response in [acquired, waiting, renewed, released, cancelled, forced] {
        let problem = response.problem(503, "unavailable");
        assert!(problem["retry_after_ms"].as_u64().is_some(), "{problem}");
    }
    assert_eq!(many.ok()["results"][0]["problem"]["code"], "unavailable", "{}", many.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b41_callers_of_a_locked_sqlite_file_are_answered_within_two_seconds() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = ServerProcess::<Sqlite>::start();
    let (http, sessions) = (server.api(), Api::over_sessions(server.url()));
    let lease = http.lock("held", &Acquire::exclusive().ttl(60_000)).await;
    let waiting = {
        let api = http.clone();
        spawn(async move { api.lock("held", &Acquire::exclusive().wait(60_000).key(&new_key())).await })
    };
    eventually("the acquire is queued", || async { http.queue_len("held").await == 1 }).await;
    let expires = expires_at(&http, "held").await;
    let locked = server.database().block_writes();
    let since = now();
    // They arrive at any time of a wait for the lock, and one behind the other.
    while since.elapsed() < Duration::from_secs(7) {
        let late = async |ms| {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            writes_are_refused(&delay, &http, &lease).await;
        };
        tokio::join!(
            writes_are_refused(&delay, &http, &lease),
            writes_are_refused(&delay, &sessions, &lease),
            late(400),
            late(900),
            late(1300)
        );
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
            prompt(&delay, path, http.get(path)).await.ok();
        }
        let status = prompt(&delay, "readiness", http.get("/readyz")).await;
        assert_eq!(status.status, 503, "{}", status.text);
        assert_eq!(http.get("/livez").await.status, 200);
    }
    drop(locked);
    eventually("the server is ready again", || async { http.get("/readyz").await.status == 200 }).await;
    assert_eq!(expires_at(&http, "held").await, expires);
    http.renew("held", &lease).await.ok();
    sessions.renew("held", &lease).await.ok();
    http.release("held", &lease).await.ok();
    assert_eq!(waiting.await.unwrap()["fencing_token"], 2);
    assert_eq!(http.event_kinds("held").await, ["granted", "queued", "released", "granted"]);
    let kinds = http.get("/v1/events?limit=1000").await.ok();
    assert_eq!(kinds["events"].as_array().unwrap().len(), 4, "nothing was applied meanwhile: {kinds}");
    server.logged("locked by another program").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_that_is_overdue_when_the_lock_of_the_file_ends_expires_once() {
    let server = ServerProcess::<Sqlite, OverSessions>::start();
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(2000)).await;
    let locked = server.database().block_writes();
    eventually("the lease can't be ended", || async {
        let status = Api::new(server.url()).get("/v1/locks/a").await;
        status.status == 503
    })
    .await;
    drop(locked);
    eventually("the lease has expired", || async { api.status("a").await["state"] == "free" }).await;
    assert_eq!(api.event_kinds("a").await, ["granted", "expired"]);
}

#[tokio::test]
async fn server_on_a_locked_file_fails_to_start_and_says_why() {
    let mut server = ServerProcess::<Sqlite>::start();
    assert!(server.terminate().success());
    let _locked = server.database().block_writes();
    let asked = now();
    let url = server.database().url();
    let error = startup_error(&["--listen", "127.0.0.1:0", "--database-url", &url]);
    assert!(error.contains("test.db: the database is locked by another program"), "{error}");
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
}
