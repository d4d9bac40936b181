//! A server that had no authentication is restarted with an auth file: what was acquired
//! before stays usable by everyone who may lock the resource.

use std::time::Duration;

use dlm_client::{BearerToken, Client, TransportKind};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::super::TestServer;
use crate::harness::{
    Acquire, Api, ApiResponse, AuthFile, Backend, WebSocket, eventually, limited_principal, new_key,
    principal, spawn,
};

const NAME: &str = "orders/1";
const LONG: u64 = 600_000;

/// `api` and `other` may lock below `orders/`, `bills` below `bills/`, `viewer` may observe
/// everything, and `ops` do everything.
fn auth_file() -> AuthFile {
    let principals = [
        principal("api", &["api-token"], &[("lock", "orders/")]),
        principal("other", &["other-token"], &[("lock", "orders/")]),
        principal("bills", &["bills-token"], &[("lock", "bills/"), ("observe", "orders/")]),
        principal("viewer", &["viewer-token"], &[("observe", "")]),
        principal("ops", &["ops-token"], &[("admin", "")]),
    ];
    AuthFile::new(&principals.concat())
}

/// Turns authentication on.
fn restart(server: &mut TestServer, file: &AuthFile) {
    assert!(server.terminate().success());
    server.restart_with(&["--auth-file", &file.path()]);
}

fn as_principal(server: &TestServer, name: &str) -> Api {
    server.api().with_token(&format!("{name}-token"))
}

/// Sends an acquire. Its response may be lost with the server.
fn send(api: &Api, acquire: &Acquire) -> JoinHandle<Option<ApiResponse>> {
    let (api, acquire) = (api.clone(), acquire.clone());
    spawn(async move { api.try_acquire(NAME, &acquire).await.ok() })
}

async fn granted(waiter: JoinHandle<Option<ApiResponse>>) -> Value {
    waiter.await.unwrap().expect("a response").ok()
}

fn waiting(owner: &str) -> Acquire {
    Acquire::exclusive().wait(LONG).with("owner", owner).key(&new_key())
}

/// Waits until these waiters are in the queue, in this order, and none is away.
async fn queue_is(api: &Api, owners: &[&str]) {
    eventually("the waiters are in the queue", || async {
        let status = api.status(NAME).await;
        let waiters = status["waiters"].as_array().unwrap();
        let present = |waiter: &&Value| waiter["away"] == false;
        let queued: Vec<_> =
            waiters.iter().filter(present).map(|waiter| waiter["owner"].as_str().unwrap()).collect();
        queued == owners && waiters.len() == owners.len()
    })
    .await;
}

/// Sends acquires that wait, one behind the other.
async fn queue(api: &Api, acquires: &[&Acquire]) {
    for (before, acquire) in acquires.iter().enumerate() {
        send(api, acquire);
        eventually("it is queued", || async { api.queue_len(NAME).await == before as u64 + 1 }).await;
    }
}

/// Everyone who may lock the resource can use a lease from before.
async fn is_usable_by(lease: &Value, first: &Api, second: &Api) {
    first.renew(NAME, lease).await.ok();
    second.renew(NAME, lease).await.ok();
    second.release(NAME, lease).await.ok();
}

#[tokio::test]
async fn waiter_from_before_authentication_keeps_its_place_when_it_returns_with_a_token() {
    let file = auth_file();
    let mut server = TestServer::start();
    let held = server.api().lock(NAME, &Acquire::exclusive().ttl(LONG)).await;
    let (first, second) = (waiting("first"), waiting("second"));
    queue(&server.api(), &[&first, &second]).await;
    restart(&mut server, &file);
    let [api, other, ops] = ["api", "other", "ops"].map(|name| as_principal(&server, name));
    let new = waiting("new");
    let newcomer = send(&other, &new);
    eventually("it is queued", || async { ops.queue_len(NAME).await == 3 }).await;
    // In reverse order.
    let second_returned = send(&api, &second);
    let first_returned = send(&api, &first);
    queue_is(&ops, &["first", "second", "new"]).await;
    // What tells them their place knows them too.
    assert!(server.terminate().success());
    for (waiter, position) in [(first_returned, 1), (second_returned, 2), (newcomer, 3)] {
        let told = waiter.await.unwrap().expect("a response");
        assert_eq!((told.status, &told.json()["position"]), (202, &position.into()), "{told:?}");
    }
    server.restart();
    // New ones: the old ones may have connections to the old server.
    let [api, other, ops] = ["api", "other", "ops"].map(|name| as_principal(&server, name));
    let waiters = [(&api, &first), (&api, &second), (&other, &new)].map(|(api, acquire)| send(api, acquire));
    queue_is(&ops, &["first", "second", "new"]).await;
    api.release(NAME, &held).await.ok();
    for (waiter, owner) in waiters.into_iter().zip(["first", "second", "new"]) {
        let lease = granted(waiter).await;
        assert_eq!(lease["owner"], owner);
        match owner {
            "new" => {
                api.release(NAME, &lease).await.problem(403, "not-holder");
                other.release(NAME, &lease).await.ok();
            }
            _ => is_usable_by(&lease, &api, &other).await,
        }
    }
}

#[tokio::test]
async fn waiter_from_before_authentication_that_hangs_up_is_away_and_returns() {
    let file = auth_file();
    let mut server = TestServer::start();
    let held = server.api().lock(NAME, &Acquire::exclusive().ttl(LONG)).await;
    let first = waiting("first");
    queue(&server.api(), &[&first]).await;
    restart(&mut server, &file);
    let api = as_principal(&server, "api");
    let hangs_up = send(&api, &first);
    queue_is(&api, &["first"]).await;
    hangs_up.abort();
    eventually("it is away", || async { api.status(NAME).await["waiters"][0]["away"] == true }).await;
    let mut session =
        WebSocket::with_token(server.url(), "/v1/session", "dlm.session.v1", "api-token").await.unwrap();
    let mut fields = first.body.clone();
    fields["resource"] = json!(NAME);
    fields["idempotency_key"] = json!(first.key);
    let returned = session.send("acquire", fields).await;
    queue_is(&api, &["first"]).await;
    api.release(NAME, &held).await.ok();
    let lease = session.response(returned).await["lease"].clone();
    assert_eq!(lease["owner"], "first");
    is_usable_by(&lease, &api, &as_principal(&server, "other")).await;
}

#[tokio::test]
async fn acquire_from_before_authentication_is_cancelled_by_its_key() {
    let file = auth_file();
    let mut server = TestServer::start();
    let granted = Acquire::exclusive().ttl(LONG).key(&new_key());
    server.api().lock(NAME, &granted).await;
    let waits = waiting("waits");
    queue(&server.api(), &[&waits]).await;
    let ended = Acquire::exclusive().key(&new_key());
    let lease = server.api().lock("orders/2", &ended).await;
    server.api().release("orders/2", &lease).await.ok();
    restart(&mut server, &file);
    let api = as_principal(&server, "api");
    for (name, acquire, outcome, queue_len) in [
        (NAME, &waits, "cancelled", 0),
        (NAME, &waits, "cancelled", 0),
        (NAME, &granted, "released", 0),
        ("orders/2", &ended, "none", 0),
    ] {
        let key = acquire.key.as_deref().unwrap();
        let cancelled = api.cancel(name, key).await.ok();
        assert_eq!(cancelled["outcome"], outcome);
        assert_eq!(api.queue_len(name).await, queue_len);
        api.acquire(name, acquire).await.ended(409, "cancelled");
    }
    assert_eq!(api.status(NAME).await["state"], "free");
}

#[tokio::test]
async fn retry_of_a_grant_from_before_authentication_finds_the_lease() {
    let file = auth_file();
    let mut server = TestServer::start();
    let acquire = Acquire::exclusive().ttl(LONG).key(&new_key());
    let lease = server.api().lock(NAME, &acquire).await;
    restart(&mut server, &file);
    let [api, other] = ["api", "other"].map(|name| as_principal(&server, name));
    for caller in [&api, &other] {
        let again = caller.lock(NAME, &acquire).await;
        assert_eq!(again["fencing_token"], lease["fencing_token"]);
        assert_eq!(again["lease_id"], lease["lease_id"]);
    }
    is_usable_by(&lease, &api, &other).await;
    api.acquire(NAME, &acquire).await.ended(409, "released");
    let reused = Acquire::exclusive().ttl(1000).key(acquire.key.as_deref().unwrap());
    api.acquire(NAME, &reused).await.problem(422, "idempotency-key-reused");
}

#[tokio::test]
async fn key_of_no_acquire_from_before_authentication_belongs_to_its_principal() {
    let file = auth_file();
    let mut server = TestServer::start();
    // There is a claim from before with this key, on another resource.
    let key = new_key();
    server.api().lock("orders/2", &Acquire::exclusive().key(&key)).await;
    restart(&mut server, &file);
    let [api, other] = ["api", "other"].map(|name| as_principal(&server, name));
    let acquire = Acquire::shared().ttl(LONG).key(&key);
    let (first, second) = (api.lock(NAME, &acquire).await, other.lock(NAME, &acquire).await);
    assert_ne!(first["fencing_token"], second["fencing_token"]);
    assert_eq!(api.lock(NAME, &acquire).await["lease_id"], first["lease_id"]);
    assert_eq!(other.cancel(NAME, &key).await.ok()["outcome"], "released");
    assert_eq!(api.lock(NAME, &acquire).await["lease_id"], first["lease_id"]);
    other.release(NAME, &first).await.problem(403, "not-holder");
    api.release(NAME, &first).await.ok();
}

#[tokio::test]
async fn caller_without_lock_on_the_name_can_not_use_a_key_from_before_authentication() {
    let file = auth_file();
    let mut server = TestServer::start();
    let held = server.api().lock(NAME, &Acquire::exclusive().ttl(LONG)).await;
    let (waits, unknown) = (waiting("waits"), waiting("waits"));
    queue(&server.api(), &[&waits]).await;
    restart(&mut server, &file);
    let api = as_principal(&server, "api");
    let returned = send(&api, &waits);
    queue_is(&api, &["waits"]).await;
    let refusal = |response: ApiResponse| {
        let mut problem = response.problem(403, "forbidden");
        assert_eq!(problem["required"], "lock");
        problem.as_object_mut().unwrap().remove("request_id");
        problem
    };
    for name in ["viewer", "bills"] {
        let caller = as_principal(&server, name);
        let mut learned = Vec::new();
        for acquire in [&waits, &unknown] {
            let key = acquire.key.as_deref().unwrap();
            learned.push(refusal(caller.acquire(NAME, acquire).await));
            learned.push(refusal(caller.cancel(NAME, key).await));
        }
        assert!(learned.iter().all(|problem| *problem == learned[0]), "{learned:?}");
    }
    queue_is(&api, &["waits"]).await;
    api.release(NAME, &held).await.ok();
    assert_eq!(granted(returned).await["owner"], "waits");
}

#[tokio::test]
async fn quota_does_not_refuse_an_acquire_from_before_authentication() {
    let limited = limited_principal("api", "api-token", "lock", "orders/", "max_leases = 1, max_waiters = 1");
    let file = AuthFile::new(&(limited + &principal("ops", &["ops-token"], &[("admin", "")])));
    let mut server = TestServer::start();
    let granted_before = Acquire::exclusive().ttl(LONG).key(&new_key());
    let held = server.api().lock(NAME, &granted_before).await;
    let waits = waiting("waits");
    queue(&server.api(), &[&waits]).await;
    restart(&mut server, &file);
    let api = as_principal(&server, "api");
    as_principal(&server, "ops").lock("orders/2", &Acquire::exclusive().ttl(LONG)).await;
    let mut session =
        WebSocket::with_token(server.url(), "/v1/session", "dlm.session.v1", "api-token").await.unwrap();
    session.send("acquire", json!({"resource": "orders/2", "wait_ms": LONG})).await;
    eventually("it is queued", || async { api.queue_len("orders/2").await == 1 }).await;
    api.lock("orders/3", &Acquire::exclusive().ttl(LONG)).await;
    for new in [Acquire::exclusive().key(&new_key()), waiting("new")] {
        api.acquire(NAME, &new).await.problem(429, "quota-exceeded");
    }
    assert_eq!(api.lock(NAME, &granted_before).await["lease_id"], held["lease_id"]);
    let returned = send(&api, &waits);
    queue_is(&api, &["waits"]).await;
    api.release(NAME, &held).await.ok();
    assert_eq!(granted(returned).await["owner"], "waits");
}

#[tokio::test]
async fn wait_of_a_client_goes_on_when_authentication_is_turned_on() {
    for kind in [TransportKind::Auto, TransportKind::Session, TransportKind::Http] {
        let file = auth_file();
        let mut server = TestServer::start();
        let held = server.api().lock(NAME, &Acquire::exclusive().ttl(LONG)).await;
        let builder = Client::builder().address(server.url()).transport(kind);
        let client = builder.bearer_token(BearerToken::new("api-token").unwrap()).connect().await.unwrap();
        let locking = {
            let client = client.clone();
            let request = client.lock(NAME).ttl(Duration::from_secs(5)).owner("client");
            spawn(async move { request.wait(Duration::from_millis(LONG)).await })
        };
        let open = server.api();
        eventually("it is queued", || async { open.queue_len(NAME).await == 1 }).await;
        let place = open.status(NAME).await["waiters"][0]["waiter_id"].take();
        restart(&mut server, &file);
        let [other, ops] = ["other", "ops"].map(|name| as_principal(&server, name));
        let newcomer = send(&other, &waiting("new"));
        queue_is(&ops, &["client", "new"]).await;
        assert_eq!(ops.status(NAME).await["waiters"][0]["waiter_id"], place, "{kind:?}");
        ops.release(NAME, &held).await.ok();
        let guard = locking.await.unwrap().unwrap();
        let before = crate::harness::expires_at(&ops, NAME).await;
        crate::harness::wait_for_renewal(&ops, NAME, &before).await;
        // What was acquired before is everyone's who may lock the resource.
        let lease = guard.detach();
        let adopted = client.adopt(&lease).await.unwrap();
        adopted.release().await.unwrap();
        let lease = granted(newcomer).await;
        assert_eq!(lease["owner"], "new", "{kind:?}");
    }
}

#[tokio::test]
async fn key_belongs_to_its_principal_once_what_it_stood_for_is_forgotten() {
    let file = auth_file();
    let mut server = TestServer::start_with(&["--log", "debug"]);
    let acquire = Acquire::exclusive().key(&new_key());
    let lease = server.api().lock(NAME, &acquire).await;
    restart(&mut server, &file);
    let api = as_principal(&server, "api");
    api.acquire(NAME, &acquire).await.ok();
    api.release(NAME, &lease).await.ok();
    // The key is remembered for ten minutes.
    api.acquire(NAME, &acquire).await.ended(409, "released");
    server.database().execute("UPDATE claims SET ended_at = 1 WHERE ended_at IS NOT NULL");
    server.kill9_and_restart();
    server.logged("no claims from before authentication are left").await;
    let api = as_principal(&server, "api");
    let new = api.lock(NAME, &acquire).await;
    as_principal(&server, "other").release(NAME, &new).await.problem(403, "not-holder");
    api.release(NAME, &new).await.ok();
}
