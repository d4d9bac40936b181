//! A rolling restart that turns authentication on: one server still has none.

use std::sync::Arc;

use serde_json::json;

use crate::harness::{
    Acquire, Api, AuthFile, Backend, Postgres, ServerProcess, WebSocket, eventually, new_key, principal,
};

const NAME: &str = "orders/1";
const LONG: u64 = 600_000;

struct Cluster {
    database: Arc<Postgres>,
    file: AuthFile,
}

impl Cluster {
    fn new() -> Self {
        let principals = ["api", "other"]
            .map(|name| principal(name, &[&format!("{name}-token")], &[("lock", "orders/")]))
            .concat();
        Self { database: Arc::new(Postgres::new()), file: AuthFile::new(&principals) }
    }

    fn start_open(&self) -> ServerProcess<Postgres> {
        ServerProcess::on(&self.database, &[])
    }

    fn start_authenticated(&self) -> ServerProcess<Postgres> {
        ServerProcess::on(&self.database, &["--log", "debug", "--auth-file", &self.file.path()])
    }

    /// Waits until the server with authentication has learned which peers it has.
    async fn peers_are_known(&self) {
        let beats = || self.database.query_i64("SELECT max(seen_at) FROM replicas WHERE NOT is_open");
        // A heartbeat that began before may not have read them yet.
        for _ in 0..2 {
            let before = beats();
            eventually("the next heartbeat", || async { beats() > before }).await;
        }
    }
}

fn waiting(owner: &str) -> Acquire {
    Acquire::exclusive().wait(LONG).with("owner", owner).key(&new_key())
}

async fn queued(api: &Api, len: u64) {
    eventually("it is queued", || async { api.queue_len(NAME).await == len }).await;
}

/// Waits with an acquire on a session of its own.
async fn wait_with(server: &ServerProcess<Postgres>, token: Option<&str>, acquire: &Acquire) -> WebSocket {
    let mut session = match token {
        Some(token) => {
            WebSocket::with_token(server.url(), "/v1/session", "dlm.session.v1", token).await.unwrap()
        }
        None => WebSocket::session(server.url()).await,
    };
    let mut fields = acquire.body.clone();
    fields["resource"] = json!(NAME);
    fields["idempotency_key"] = json!(acquire.key);
    session.send("acquire", fields).await;
    session
}

/// The owner of the next lease that arrives on a session.
async fn granted(mut session: WebSocket) -> (WebSocket, serde_json::Value) {
    loop {
        let lease = session.next().await["lease"].take();
        if !lease.is_null() {
            return (session, lease);
        }
    }
}

#[tokio::test]
async fn waiter_of_a_server_without_authentication_goes_on_at_one_with_it() {
    let cluster = Cluster::new();
    let open = cluster.start_open();
    let server = cluster.start_authenticated();
    let api = server.api().with_token("api-token");
    let held = open.api().lock(NAME, &Acquire::exclusive().ttl(LONG)).await;
    let (first, second, new) = (waiting("first"), waiting("second"), waiting("new"));
    let at_open = wait_with(&open, None, &first).await;
    queued(&api, 1).await;
    let second_at_open = wait_with(&open, None, &second).await;
    queued(&api, 2).await;
    let newcomer = wait_with(&server, Some("other-token"), &new).await;
    queued(&api, 3).await;
    // Both requests of the first wait together.
    let returned = wait_with(&server, Some("api-token"), &first).await;
    let parked_at_server = || {
        let sql = "SELECT count(*) FROM claims JOIN replicas ON replicas.id = claims.replica \
                   WHERE owner = 'first' AND NOT is_open";
        cluster.database.query_i64(sql) == 1
    };
    eventually("the first has returned", || async { parked_at_server() }).await;
    api.release(NAME, &held).await.ok();
    let ((_, lease), (_, same)) = tokio::join!(granted(returned), granted(at_open));
    assert_eq!((&lease["owner"], &lease["lease_id"]), (&"first".into(), &same["lease_id"]));
    // The second has not returned when its server ends.
    drop(second_at_open);
    drop(open);
    let returned = wait_with(&server, Some("api-token"), &second).await;
    eventually("the second has returned", || async {
        let status = api.status(NAME).await;
        status["waiters"][0]["owner"] == "second" && status["waiters"][0]["away"] == false
    })
    .await;
    api.release(NAME, &lease).await.ok();
    let (_, lease) = granted(returned).await;
    assert_eq!(lease["owner"], "second");
    api.release(NAME, &lease).await.ok();
    assert_eq!(granted(newcomer).await.1["owner"], "new");
}

#[tokio::test]
async fn own_key_is_not_mistaken_for_one_of_a_server_without_authentication() {
    let cluster = Cluster::new();
    let open = cluster.start_open();
    let server = cluster.start_authenticated();
    let [api, other] = ["api-token", "other-token"].map(|token| server.api().with_token(token));
    let acquire = Acquire::shared().ttl(LONG).key(&new_key());
    let own = api.lock(NAME, &acquire).await;
    let anonymous = open.api().lock(NAME, &acquire).await;
    assert_ne!(own["fencing_token"], anonymous["fencing_token"]);
    assert_eq!(api.lock(NAME, &acquire).await["lease_id"], own["lease_id"]);
    assert_eq!(other.lock(NAME, &acquire).await["lease_id"], anonymous["lease_id"]);
    let key = acquire.key.as_deref().unwrap();
    assert_eq!(api.cancel(NAME, key).await.ok()["outcome"], "released");
    api.acquire(NAME, &acquire).await.ended(409, "cancelled");
    assert_eq!(other.lock(NAME, &acquire).await["lease_id"], anonymous["lease_id"]);
}

#[tokio::test]
async fn waiter_of_a_server_without_authentication_that_starts_later_goes_on_at_one_with_it() {
    let cluster = Cluster::new();
    let server = cluster.start_authenticated();
    let api = server.api().with_token("api-token");
    server.logged("no claims from before authentication are left").await;
    let open = cluster.start_open();
    cluster.peers_are_known().await;
    let held = open.api().lock(NAME, &Acquire::exclusive().ttl(LONG)).await;
    let first = waiting("first");
    let at_open = wait_with(&open, None, &first).await;
    queued(&api, 1).await;
    let newcomer = wait_with(&server, Some("other-token"), &waiting("new")).await;
    queued(&api, 2).await;
    drop(at_open);
    drop(open);
    let returned = wait_with(&server, Some("api-token"), &first).await;
    eventually("the first has returned", || async {
        let status = api.status(NAME).await;
        status["waiters"][0]["owner"] == "first" && status["waiters"][0]["away"] == false
    })
    .await;
    api.release(NAME, &held).await.ok();
    let (_, lease) = granted(returned).await;
    assert_eq!(lease["owner"], "first");
    api.release(NAME, &lease).await.ok();
    assert_eq!(granted(newcomer).await.1["owner"], "new");
}
