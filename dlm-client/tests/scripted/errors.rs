//! What errors and debug output say.

use std::error::Error as _;
use std::time::Duration;

use dlm_client::{Client, Error};

use super::server::{ScriptedReply, ScriptedServer, accept_all, problem};

/// Every message of the chain, which a reporter prints one after the other.
fn chain(error: &Error) -> Vec<String> {
    let mut messages = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        messages.push(error.to_string());
        source = error.source();
    }
    messages
}

#[tokio::test]
async fn error_does_not_repeat_the_message_of_its_source() {
    let server = ScriptedServer::start(accept_all(30_000));
    let client = server.client().await;
    drop(server);
    let unreachable = client.status("a").await.unwrap_err();
    assert_eq!(unreachable.to_string(), "could not connect to the server");
    let timed_out = client.lock("a").wait(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(timed_out.to_string(), "timed out waiting for the lock on `a`");
    let unusable = Client::builder().root_certificate("").connect().await.unwrap_err();
    for error in [unreachable, timed_out, unusable] {
        let messages = chain(&error);
        for (position, message) in messages.iter().enumerate() {
            let repeated = messages[position + 1..].iter().any(|later| message.contains(later.as_str()));
            assert!(!repeated, "{messages:?}");
        }
        assert_eq!(format!("{error:#}"), messages.join(": "));
    }
}

#[tokio::test]
async fn reason_of_a_connect_error_is_in_its_alternate_form() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Client::connect(&format!("http://{free}")).await.unwrap_err();
    assert!(format!("{error:#}").contains("refused"), "{error:#}");
    assert!(format!("{error:?}").contains("refused"), "{error:?}");
}

#[tokio::test]
async fn error_has_the_id_and_the_delay_of_the_reply() {
    let server = ScriptedServer::start(|_| {
        let mut problem = problem(429, "quota-exceeded", None);
        problem["retry_after_ms"] = 50.into();
        ScriptedReply::Json(429, problem)
    });
    let client = server.client().await;
    let error = client.try_lock("a").await.unwrap_err();
    assert_eq!(error.request_id(), Some("r1"));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(50)));
    drop(server);
    let unreachable = client.status("a").await.unwrap_err();
    assert_eq!((unreachable.request_id(), unreachable.retry_after()), (None, None));
}

#[tokio::test]
async fn debug_output_contains_no_idempotency_key() {
    let server = ScriptedServer::start(accept_all(30_000));
    let client = server.client().await;
    let request = client.lock("a").idempotency_key("s3cret-key");
    assert!(!format!("{request:?}").contains("s3cret-key"), "{request:?}");
    let attempt = client.try_lock("a").idempotency_key("s3cret-key");
    assert!(!format!("{attempt:?}").contains("s3cret-key"), "{attempt:?}");
    let guard = request.await.unwrap();
    assert!(!format!("{guard:?} {client:?}").contains("s3cret-key"));
}
