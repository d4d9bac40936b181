//! Tokens, headers, and what a server says that refuses them.

use std::future::IntoFuture;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_client::{
    BearerToken, Client, ClientBuilder, EventItem, FencingToken, ProblemCode, Quota, Role, TransportKind,
};
use serde_json::json;

use super::server::{ReceivedRequest, ScriptedReply, ScriptedServer, SessionMode, accept_all, problem};
use super::socket::accept_frame;
use super::time::drive;
use crate::clock::ManualClock;

const TTL_MS: u64 = 30_000;

/// Replies to everything that a client can ask.
fn accept_everything(ttl_ms: u64) -> impl FnMut(&ReceivedRequest) -> ScriptedReply + Send {
    let mut accept = accept_all(ttl_ms);
    let status = json!({"resource": "a", "state": "free", "mode": null, "current_token": 0, "queue_len": 0,
                        "holders": [], "holder_count": 0, "version": 0, "cursor": "c"});
    move |request| match request.path.as_str() {
        "/v1/whoami" => {
            let rule = json!({"role": "lock", "prefix": "orders/", "max_ttl_ms": 600_000});
            let expires_at = "2027-01-01T00:00:00.000Z";
            ScriptedReply::Json(200, json!({"principal": "api", "rules": [rule], "expires_at": expires_at}))
        }
        path if path.starts_with("/v1/events") => {
            ScriptedReply::Json(200, json!({"events": [], "cursor": "c"}))
        }
        path if path.starts_with("/v1/locks?") => {
            ScriptedReply::Json(200, json!({"locks": [], "next": null, "cursor": "c"}))
        }
        "/v1/locks/a" => ScriptedReply::Json(200, status.clone()),
        path if path.ends_with("/check") => {
            ScriptedReply::Json(200, json!({"live": true, "mode": "shared", "current_token": 9}))
        }
        path if path.ends_with("/force-release") => {
            ScriptedReply::Json(409, problem(409, "holder-changed", None))
        }
        _ => accept(request),
    }
}

/// The tokens that a server accepts, and the requests that came to it.
#[derive(Clone)]
pub(crate) struct Accepted(Arc<Mutex<(Vec<&'static str>, Vec<ReceivedRequest>)>>);

impl Accepted {
    /// Lets only requests with one of the tokens pass.
    pub(crate) fn guard(server: &ScriptedServer, tokens: &[&'static str]) -> Self {
        let accepted = Self(Arc::new(Mutex::new((tokens.to_vec(), Vec::new()))));
        let shared = accepted.clone();
        server.set_gate(Box::new(move |request| {
            let mut state = shared.0.lock().unwrap();
            state.1.push(request.clone());
            let token = request.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
            let passes = token.is_some_and(|token| state.0.contains(&token));
            (!passes).then(|| ScriptedReply::Json(401, problem(401, "unauthenticated", None)))
        }));
        accepted
    }

    pub(crate) fn set(&self, tokens: &[&'static str]) {
        self.0.lock().unwrap().0 = tokens.to_vec();
    }

    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        self.0.lock().unwrap().1.clone()
    }
}

/// A server with a session and an event stream.
pub(crate) fn server(ttl_ms: u64) -> ScriptedServer {
    let session = SessionMode::Open(Duration::ZERO, Box::new(move |request| accept_frame(request, ttl_ms)));
    ScriptedServer::with(session, accept_everything(ttl_ms))
}

pub(crate) fn token(text: &str) -> BearerToken {
    BearerToken::new(text).unwrap()
}

/// Provides the tokens in turn, and then the last one again.
pub(crate) fn provide(
    builder: ClientBuilder,
    tokens: &'static [&'static str],
) -> (ClientBuilder, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let builder = builder.token_provider(move || {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let text = tokens.get(number).or(tokens.last()).unwrap();
        async move { BearerToken::new(*text) }
    });
    (builder, asked)
}

fn builder(server: &ScriptedServer, kind: TransportKind) -> ClientBuilder {
    Client::builder().address(&server.url).transport(kind)
}

#[tokio::test]
async fn every_request_carries_the_token_and_the_headers_and_no_url_does() {
    let server = server(TTL_MS);
    let accepted = Accepted::guard(&server, &["s3cret-token"]);
    let fencing_token = FencingToken::new(1);
    for kind in [TransportKind::Http, TransportKind::Session] {
        let builder = builder(&server, kind).bearer_token(token("s3cret-token")).header("X-Tenant", "blue");
        let client = builder.connect().await.unwrap();
        let guard = client.lock("a").await.unwrap();
        guard.renew(Duration::from_secs(30)).await.unwrap();
        let guard = client.adopt(&guard.detach()).await.unwrap();
        guard.release().await.unwrap();
        drop(client.try_lock("a").await.unwrap());
        client.force_release("a", fencing_token, "the host is down").await.unwrap_err();
        assert!(client.locks().next().await.is_none());
        let mut events = client.events();
        assert_eq!(events.next().await.unwrap().unwrap(), EventItem::Synced);
        assert_eq!(client.whoami().await.unwrap().principal, "api");
        if kind == TransportKind::Http {
            client.status("a").await.unwrap();
            client.check("a", fencing_token).await.unwrap();
        }
        client.close(Duration::from_secs(5)).await.unwrap();
    }
    let requests = accepted.requests();
    for request in &requests {
        assert_eq!(request.headers.get("authorization").map(String::as_str), Some("Bearer s3cret-token"));
        assert_eq!(request.headers.get("x-tenant").map(String::as_str), Some("blue"), "{}", request.path);
        assert!(!request.path.contains("s3cret"), "{}", request.path);
    }
    let saw = |path: &str| requests.iter().any(|request| request.path.starts_with(path));
    for path in ["/v1/session", "/v1/events?", "/v1/whoami", "/v1/locks?", "/v1/renew", "/v1/locks/a/acquire"]
    {
        assert!(saw(path), "no {path}");
    }
}

#[tokio::test]
async fn whoami_says_what_the_principal_may_do() {
    let server = server(TTL_MS);
    let me = server.client().await.whoami().await.unwrap();
    let rule = &me.rules[0];
    assert_eq!((rule.role, rule.prefix.as_str(), rule.max_ttl_ms), (Role::Lock, "orders/", Some(600_000)));
    assert_eq!(me.expires_at.unwrap().to_string(), "2027-01-01T00:00:00.000Z");
}

#[tokio::test]
async fn refused_token_is_replaced_and_the_request_sent_again_once() {
    for kind in [TransportKind::Http, TransportKind::Session, TransportKind::Auto] {
        let server = server(TTL_MS);
        let accepted = Accepted::guard(&server, &["new"]);
        let (builder, asked) = provide(builder(&server, kind), &["old", "new"]);
        let client = builder.connect().await.unwrap();
        let guard = client.lock("a").await.unwrap();
        guard.release().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{kind:?}");
        let refused =
            accepted.requests().iter().filter(|r| r.headers["authorization"] == "Bearer old").count();
        // With both transports, the session and an operation may be refused at once.
        assert!(refused == 1 || (refused == 2 && kind == TransportKind::Auto), "{refused} by {kind:?}");
    }
}

#[tokio::test]
async fn provider_is_asked_once_for_many_refused_requests() {
    let server = server(TTL_MS);
    let accepted = Accepted::guard(&server, &["old"]);
    let (builder, asked) = provide(builder(&server, TransportKind::Http), &["old", "new"]);
    let client = builder.connect().await.unwrap();
    client.status("a").await.unwrap();
    accepted.set(&["new"]);
    let statuses = futures_util::future::join_all((0..64).map(|_| client.status("a"))).await;
    assert!(statuses.iter().all(Result::is_ok), "{statuses:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn refused_credential_is_an_error_that_says_so() {
    let server = server(TTL_MS);
    let accepted = Accepted::guard(&server, &["good"]);
    for builder in [
        builder(&server, TransportKind::Http),
        builder(&server, TransportKind::Http).bearer_token(token("s3cret")),
        provide(builder(&server, TransportKind::Http), &["s3cret"]).0,
    ] {
        let client = builder.connect().await.unwrap();
        let before = accepted.requests().len();
        let error = client.status("a").await.unwrap_err();
        assert!(error.is_unauthenticated() && !error.is_retryable(), "{error:?}");
        assert_eq!(error.code(), Some(ProblemCode::Unauthenticated));
        assert_eq!(error.to_string(), "it is unauthenticated (request r1)");
        assert_eq!(accepted.requests().len(), before + 1, "the same token is not sent again");
        // Nothing is held for it, so there is nothing to cancel.
        assert!(client.lock("a").await.unwrap_err().is_unauthenticated());
        assert!(client.try_lock("a").await.unwrap_err().is_unauthenticated());
        client.close(Duration::from_secs(5)).await.unwrap();
    }
    assert!(accepted.requests().iter().all(|request| request.operation() != "cancel"));
    let session = builder(&server, TransportKind::Session).bearer_token(token("s3cret"));
    let error = session.connect().await.unwrap_err();
    assert!(error.is_unauthenticated(), "{error:?}");
}

#[tokio::test]
async fn proxy_that_refuses_the_token_is_treated_as_the_server() {
    let server = server(TTL_MS);
    server.set_gate(Box::new(|request| {
        let refused = request.headers["authorization"] == "Bearer old";
        let body = "<html>who are you?</html>".to_owned();
        refused.then_some(ScriptedReply::Other {
            status: 401,
            media_type: "text/html",
            retry_after: None,
            body,
        })
    }));
    for kind in [TransportKind::Http, TransportKind::Session] {
        let (provided, asked) = provide(builder(&server, kind), &["old", "new"]);
        provided.connect().await.unwrap().lock("a").await.unwrap().release().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        let fixed = builder(&server, kind).bearer_token(token("old"));
        let error = match fixed.connect().await {
            Ok(client) => client.status("a").await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.is_unauthenticated() && error.to_string().contains("status 401"), "{error:?}");
    }
}

#[tokio::test]
async fn token_of_a_file_is_replaced_when_the_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old\n").unwrap();
    let server = server(TTL_MS);
    let accepted = Accepted::guard(&server, &["old"]);
    let client = builder(&server, TransportKind::Http).bearer_token_file(&path).connect().await.unwrap();
    client.status("a").await.unwrap();
    // As Kubernetes does: by renaming.
    std::fs::write(folder.path().join("next"), "new\n").unwrap();
    std::fs::rename(folder.path().join("next"), &path).unwrap();
    accepted.set(&["new"]);
    client.status("a").await.unwrap();
    std::fs::remove_file(&path).unwrap();
    client.status("a").await.unwrap();
}

#[tokio::test]
async fn missing_token_is_an_error_that_says_why() {
    let server = server(TTL_MS);
    let error =
        builder(&server, TransportKind::Http).bearer_token_file("/nowhere").connect().await.unwrap_err();
    assert!(error.is_unauthenticated() && error.is_retryable(), "{error:?}");
    assert_eq!(error.to_string(), "the token provider has no token");
    assert!(format!("{error:#}").contains("the token file `/nowhere`: No such file"), "{error:#}");
}

#[tokio::test]
async fn lock_outlasts_a_failure_of_the_provider() {
    let server = server(TTL_MS);
    let accepted = Accepted::guard(&server, &["good"]);
    let (clock, asked) = (ManualClock::new(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let builder = builder(&server, TransportKind::Http).clock(clock.clock()).token_provider(move || {
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move {
            match number {
                0 => Ok(token("good").valid_for(Duration::from_secs(10))),
                1..4 => Err("the issuer is down"),
                _ => Ok(token("good")),
            }
        }
    });
    let client = builder.connect().await.unwrap();
    clock.advance(Duration::from_secs(10));
    let guard = drive(&clock, Duration::from_millis(20), client.lock("a").into_future()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 5);
    assert!(accepted.requests().iter().all(|request| request.headers["authorization"] == "Bearer good"));
    drop(guard);
}

#[tokio::test]
async fn forbidden_operation_names_the_missing_role() {
    let mut denied = problem(403, "forbidden", None);
    denied["required"] = "admin".into();
    let server = ScriptedServer::start(move |_| ScriptedReply::Json(403, denied.clone()));
    let client = server.client().await;
    let error = client.force_release("a", FencingToken::new(1), "the host is down").await.unwrap_err();
    assert!(error.is_forbidden() && !error.is_retryable() && !error.is_unauthenticated(), "{error:?}");
    assert_eq!((error.code(), error.required_role()), (Some(ProblemCode::Forbidden), Some(Role::Admin)));
    assert!(client.lock("a").await.unwrap_err().is_forbidden());
    client.close(Duration::from_secs(5)).await.unwrap();
    assert!(server.seen_of("cancel").is_empty(), "a request that is denied leaves nothing behind");
}

#[tokio::test]
async fn exceeded_quota_is_named_with_the_time_to_wait() {
    let mut exceeded = problem(429, "quota-exceeded", None);
    exceeded["quota"] = "leases".into();
    let server = ScriptedServer::start(move |_| ScriptedReply::Other {
        status: 429,
        media_type: "application/problem+json",
        retry_after: Some(0),
        body: exceeded.to_string(),
    });
    let error = server.client().await.try_lock("a").await.unwrap_err();
    assert!(error.is_quota_exceeded() && error.is_retryable(), "{error:?}");
    assert_eq!((error.quota(), error.retry_after()), (Some(Quota::Leases), Some(Duration::ZERO)));
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let (target, other) = (server(TTL_MS), server(TTL_MS));
    let location = format!("{}/v1/locks/a", other.url);
    let seen = Accepted::guard(&other, &[]);
    target.set_gate(Box::new(move |_| Some(ScriptedReply::Redirect(location.clone()))));
    for kind in [TransportKind::Http, TransportKind::Auto] {
        let client = builder(&target, kind).bearer_token(token("s3cret")).connect().await.unwrap();
        let error = client.status("a").await.unwrap_err();
        assert!(error.is_unexpected_reply(), "{error:?}");
        assert!(client.events().next().await.unwrap().unwrap_err().is_unexpected_reply());
    }
    assert!(seen.requests().is_empty(), "{:?}", seen.requests());
}

#[tokio::test]
async fn token_is_not_sent_in_plaintext_to_another_machine_unless_allowed() {
    let connect = |builder: ClientBuilder| {
        builder
            .bearer_token(token("s3cret"))
            .request_timeout(Duration::from_millis(50))
            .connect()
            .into_future()
    };
    let remote = ["http://127.0.0.1:1", "http://192.0.2.1"];
    let error = connect(Client::builder().addresses(remote)).await.unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("only over https"), "{error}");
    let error = connect(Client::builder().addresses(remote).allow_plaintext_token(true)).await.unwrap_err();
    assert!(!error.is_invalid(), "{error}");
    let error = connect(Client::builder().address("http://127.0.0.1:1")).await.unwrap_err();
    assert!(error.is_connect(), "{error}");
}

#[tokio::test]
async fn unusable_settings_are_reported_when_connecting() {
    let server = server(TTL_MS);
    for builder in [
        builder(&server, TransportKind::Http).header("Authorization", "Bearer s3cret"),
        builder(&server, TransportKind::Http).header("X-Tenant", "s3cret\n"),
        builder(&server, TransportKind::Http).client_identity("s3cret", "s3cret"),
    ] {
        let error = builder.connect().await.unwrap_err();
        assert!(error.is_invalid() && !format!("{error:?} {error:#}").contains("s3cret"), "{error:?}");
    }
    let shown =
        builder(&server, TransportKind::Http).bearer_token(token("s3cret")).header("X-Tenant", "s3cret");
    assert!(!format!("{shown:?}").contains("s3cret"), "{shown:?}");
    assert!(!format!("{:?}", shown.connect().await.unwrap()).contains("s3cret"));
}
