//! Sessions and event streams.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::callers::{Caller, Opening};
use super::checks::{Refusals, check};
use super::requests::with_name;
use super::table::{Expected, VERBS, verb};
use crate::harness::WebSocket;

pub(super) async fn over_a_session(caller: &Caller<'_>, opening: &Opening, refusals: &Mutex<Refusals>) {
    let opened = caller.socket("/v1/session", "session", opening).await;
    let mut session = match (opened, caller.principal.rule) {
        (Ok(session), Some(_)) => session,
        (Err(refused), None) => return assert_eq!(refused.body["code"], "forbidden"),
        (Ok(_), None) => panic!("a session without a right"),
        (Err(refused), Some(_)) => panic!("{refused:?}"),
    };
    let mut sent = Vec::new();
    for verb in VERBS {
        let Some(op) = verb.op else { continue };
        for segment in caller.segments().filter(|segment| segment.name.is_some()) {
            let members = with_name(verb.members.unwrap_or(""), Some(segment));
            let mut frame: Value = serde_json::from_str(&format!("{{{members}}}")).expect("a frame");
            if verb.path.contains("{name}") {
                frame["resource"] = json!(segment.name);
            }
            if matches!(verb.id, "acquire" | "cancel") {
                frame["idempotency_key"] = json!(crate::harness::new_key());
            }
            let op = serde_json::to_value(op).expect("an operation");
            sent.push((session.send_buffered(op.as_str().expect("a name"), frame).await, verb, segment));
        }
    }
    session.flush().await;
    for (id, verb, segment) in sent {
        let what = format!("session {opening}: {}", caller.what(verb, Some(segment)));
        let mut reply = session.response(id).await;
        let expected = caller.principal.expected(verb, Some(segment));
        let problem = reply["problem"].take();
        let (status, body) = match problem["status"].as_u64() {
            Some(status) => (u16::try_from(status).expect("a status"), &problem),
            None => (200, &reply),
        };
        check(&what, verb, caller.principal, expected, status, body);
        if let Expected::Forbidden(role) = expected {
            let mut shown = problem;
            shown["request_id"].take();
            refusals.lock().unwrap().add(format!("session {role:?}"), shown.to_string());
        }
    }
}

/// Opens an event stream of each resource.
pub(super) async fn over_event_streams(caller: &Caller<'_>, opening: &Opening) {
    let verb = verb("events");
    for segment in caller.segments().filter(|segment| segment.name.is_some() && segment.text.is_ascii()) {
        let what = format!("stream {opening}: {}", caller.what(verb, Some(segment)));
        let path = format!("{}?resource={}", verb.path, segment.text);
        let expected = caller.principal.expected(verb, Some(segment));
        match caller.socket(&path, "events", opening).await {
            Ok(_) => assert_eq!(expected, Expected::Allowed, "{what}"),
            Err(refused) => check(&what, verb, caller.principal, expected, refused.status, &refused.body),
        }
    }
}

/// Opens the stream of all events that the caller may observe, if there can be any.
pub(super) async fn open_event_stream(caller: &Caller<'_>, opening: &Opening) -> Option<WebSocket> {
    let verb = verb("events");
    match caller.socket(verb.path, "events", opening).await {
        Ok(mut stream) => {
            assert_eq!(stream.next().await["type"], "synced");
            Some(stream)
        }
        Err(refused) => {
            let what = format!("stream {opening}: {}", caller.what(verb, None));
            let expected = caller.principal.expected(verb, None);
            check(&what, verb, caller.principal, expected, refused.status, &refused.body);
            None
        }
    }
}
