//! The client library: rights that are taken away, and what it may see.

use std::time::Duration;

use dlm_client::{BearerToken, Client, EventItem, LossReason, ProblemCode, Role, TransportKind};

use super::{TestServer, server, three_principals};
use crate::harness::{AuthFile, eventually, principal};

const KINDS: [TransportKind; 3] = [TransportKind::Auto, TransportKind::Session, TransportKind::Http];
/// Long enough for a busy machine.
const TTL: Duration = Duration::from_secs(5);

async fn client(server: &TestServer, kind: TransportKind, token: &str) -> Client {
    let builder = Client::builder().address(server.url()).transport(kind);
    builder.bearer_token(BearerToken::new(token).unwrap()).connect().await.unwrap()
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
async fn lease_of_another_principal_can_not_be_adopted_and_the_error_says_why() {
    let file = AuthFile::new(&three_principals());
    let server = server(&file);
    for kind in KINDS {
        let owner = client(&server, kind, "api-token").await;
        let lease = owner.lock("orders/1").await.unwrap().detach();
        let other = client(&server, kind, "ops-token").await;
        for error in
            [other.adopt(&lease).await.map(drop).unwrap_err(), other.release(&lease).await.unwrap_err()]
        {
            assert_eq!(error.code(), Some(ProblemCode::NotHolder), "{kind:?}: {error:?}");
            assert!(!error.is_retryable());
            let text = error.to_string();
            assert!(text.contains("only the principal that acquired a lease can adopt"), "{text}");
        }
        owner.adopt(&lease).await.unwrap().release().await.unwrap();
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
