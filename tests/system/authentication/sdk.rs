//! The client library, with tokens that change and rights that are taken away.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dlm_client::{
    BearerToken, Client, EventItem, GuardState, LockGuard, LossReason, ProblemCode, Role, TransportKind,
};

use super::{TestServer, api, server, three_principals};
use crate::harness::{AuthFile, eventually, principal, spawn};

const KINDS: [TransportKind; 3] = [TransportKind::Auto, TransportKind::Session, TransportKind::Http];
const CLIENTS: usize = 64;
const LOCKS: usize = 16;
const ROTATIONS: usize = 3;
/// Long enough for a busy machine.
const TTL: Duration = Duration::from_secs(5);

async fn client(server: &TestServer, kind: TransportKind, token: &str) -> Client {
    let builder = Client::builder().address(server.url()).transport(kind);
    builder.bearer_token(BearerToken::new(token).unwrap()).connect().await.unwrap()
}

/// A client that locks and unlocks all the time, and holds a lock of its own.
struct BusyClient {
    held: LockGuard,
    cycles: Arc<AtomicUsize>,
    working: tokio::task::JoinHandle<()>,
}

impl BusyClient {
    async fn start(server: &TestServer, number: usize, token_file: PathBuf, stop: Arc<AtomicBool>) -> Self {
        let builder = Client::builder().address(server.url()).transport(KINDS[number % KINDS.len()]);
        let client = builder.default_ttl(TTL).bearer_token_file(token_file).connect().await.unwrap();
        let held = client.lock(format!("orders/held-{number}")).await.unwrap();
        let cycles = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&cycles);
        let working = spawn(async move {
            let name = format!("orders/{}", number % LOCKS);
            while !stop.load(Ordering::SeqCst) {
                let guard = client.lock(&name).await.unwrap_or_else(|error| panic!("{number}: {error:#}"));
                guard.release().await.unwrap_or_else(|error| panic!("{number}: {error:#}"));
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { held, cycles, working }
    }

    fn cycles(&self) -> usize {
        self.cycles.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn no_lock_fails_while_the_token_of_64_clients_is_rotated() {
    let tokens = |tokens: &[&str]| principal("api", tokens, &[("lock", "orders/")]);
    let file = AuthFile::new(&tokens(&["token-0"]));
    let server = server(&file);
    let token_file = file.beside("token");
    std::fs::write(&token_file, "token-0\n").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let starting = (0..CLIENTS).map(|number| {
        let (file, stop) = (token_file.clone(), Arc::clone(&stop));
        BusyClient::start(&server, number, file, stop)
    });
    let clients = futures_util::future::join_all(starting).await;
    let status = async |token: &str| api(&server, token).get("/v1/whoami").await.status;
    for rotation in 1..=ROTATIONS {
        let (old, new) = (format!("token-{}", rotation - 1), format!("token-{rotation}"));
        file.replace(&tokens(&[&old, &new]));
        eventually("the new token is accepted", || async { status(&new).await == 200 }).await;
        let next = file.beside("token.next");
        std::fs::write(&next, format!("{new}\n")).unwrap();
        std::fs::rename(&next, &token_file).unwrap();
        file.replace(&tokens(&[&new]));
        eventually("the old token is refused", || async { status(&old).await == 401 }).await;
        // Every client works with the new token, or has failed.
        let before: Vec<usize> = clients.iter().map(BusyClient::cycles).collect();
        let all_work = || async {
            let went_on = |(client, before): (&BusyClient, &usize)| {
                client.working.is_finished() || client.cycles() >= before + 2
            };
            clients.iter().zip(&before).all(went_on)
        };
        eventually("every client goes on", all_work).await;
    }
    tokio::time::sleep(TTL).await;
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.working.await.expect("no lock failed");
        assert_eq!((client.held.state(), client.held.is_access_denied()), (GuardState::Held, false));
        client.held.release().await.unwrap();
    }
}

#[tokio::test]
async fn withdrawn_token_is_told_as_such() {
    for kind in KINDS {
        let file = AuthFile::new(&three_principals());
        let server = server(&file);
        let client = client(&server, kind, "api-token").await;
        assert_eq!(client.whoami().await.unwrap().principal, "api");
        let guard = client.lock("orders/1").ttl(TTL).await.unwrap();
        let mut events = client.events();
        assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
        file.replace(&principal("api", &["other-token"], &[("lock", "orders/")]));
        eventually("the guard is denied", || async {
            guard.is_access_denied() || guard.remaining().is_zero()
        })
        .await;
        let error = client.lock("orders/2").await.unwrap_err();
        assert!(error.is_unauthenticated(), "{kind:?}: {error:?}");
        assert_eq!(guard.lost().await, LossReason::AccessDenied, "{kind:?}");
        let ended = loop {
            match events.next().await.unwrap() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(ended.is_unauthenticated(), "{ended:?}");
    }
}

#[tokio::test]
async fn right_that_is_taken_away_is_told_as_such() {
    for kind in KINDS {
        let file = AuthFile::new(&three_principals());
        let server = server(&file);
        let client = client(&server, kind, "api-token").await;
        let guard = client.lock("orders/1").ttl(TTL).await.unwrap();
        file.replace(&three_principals().replace("orders/", "bills/"));
        assert_eq!(guard.lost().await, LossReason::AccessDenied, "{kind:?}");
        let error = client.lock("orders/2").await.unwrap_err();
        assert!(error.is_forbidden() && error.required_role() == Some(Role::Lock), "{kind:?}: {error:?}");
        client.lock("bills/1").await.unwrap().release().await.unwrap();
    }
}

#[tokio::test]
async fn client_does_and_sees_what_its_principal_may() {
    let file = AuthFile::new(&three_principals());
    let server = server(&file);
    let of_ops = client(&server, TransportKind::Auto, "ops-token").await;
    for kind in KINDS {
        let client = client(&server, kind, "api-token").await;
        let me = client.whoami().await.unwrap();
        assert_eq!((me.rules[0].role, me.rules[0].prefix.as_str()), (Role::Lock, "orders/"));
        let mut events = client.events();
        assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
        let hidden = of_ops.lock("bills/1").await.unwrap();
        let shown = of_ops.lock("orders/1").await.unwrap();
        let EventItem::Event(event) = events.next().await.unwrap().unwrap() else { panic!("an event") };
        assert_eq!(event.resource.as_str(), "orders/1");
        let mut locks = client.locks();
        assert_eq!(locks.next().await.unwrap().unwrap().resource.as_str(), "orders/1");
        assert!(locks.next().await.is_none());
        let forced = client.force_release("orders/1", shown.fencing_token(), "not allowed").await;
        let error = forced.unwrap_err();
        assert_eq!((error.code(), error.required_role()), (Some(ProblemCode::Forbidden), Some(Role::Admin)));
        assert!(client.status("bills/1").await.unwrap_err().is_forbidden());
        hidden.release().await.unwrap();
        shown.release().await.unwrap();
    }
    let wrong = Client::builder().address(server.url()).transport(TransportKind::Session);
    let error = wrong.bearer_token(BearerToken::new("wrong").unwrap()).connect().await.unwrap_err();
    assert!(error.is_unauthenticated(), "{error:?}");
}
