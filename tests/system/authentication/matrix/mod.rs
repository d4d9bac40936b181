//! Every operation, as every principal, on every kind of name, over every transport and
//! with every kind of credential.
//!
//! - `table`: the operations, the principals, the names, and what follows from them
//! - `callers`: the principals with their credentials
//! - `requests`: requests with paths as they are; `http`: those of the matrix
//! - `sockets`: sessions and event streams
//! - `checks`: whether an answer is the expected one, and shows nothing else
//!
//! Whoever adds an operation has to add it to the table: it must have the same ones as the
//! OpenAPI document, which is made from the routes of the server.

mod callers;
mod checks;
mod http;
mod requests;
mod sockets;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use futures_util::future::join_all;
use serde_json::{Value, json};

use self::callers::{Caller, Fixture, Opening};
use self::http::{over_http, without_a_principal};
use self::requests::Version;
use self::sockets::{open_event_stream, over_a_session, over_event_streams};
use self::table::{SEGMENTS, VERBS, verb};
use crate::harness::WebSocket;

/// Locks half of the resources, so that refusals for resources that exist can be compared
/// with others. Returns the leases.
async fn lock_every_other(root: &mut WebSocket) -> BTreeMap<&'static str, Value> {
    let mut leases = BTreeMap::new();
    for name in SEGMENTS.iter().step_by(2).filter_map(|segment| segment.name) {
        let reply = root.request("acquire", json!({"resource": name, "ttl_ms": 600_000})).await;
        if reply["lease"].is_object() {
            leases.insert(name, reply["lease"].clone());
        }
    }
    leases
}

/// The operations of the OpenAPI document and of sessions are those of the table.
async fn assert_complete(root: &Caller<'_>) {
    let document = root.connect(Version::Http1).await.send(verb("openapi"), None).await.body;
    let mut published = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            published.insert((id, method.to_uppercase(), path.clone()));
        }
    }
    let table = VERBS.iter().map(|verb| (verb.id.to_owned(), verb.method.to_owned(), verb.path.to_owned()));
    assert_eq!(table.collect::<BTreeSet<_>>(), published, "the table is not complete");
    let ops = |values: Vec<Value>| values.iter().map(Value::to_string).collect::<BTreeSet<_>>();
    let schema = &document["components"]["schemas"]["SessionOp"];
    let published = match schema["enum"].as_array() {
        Some(values) => values.clone(),
        None => {
            let variants = schema["oneOf"].as_array().expect("variants").iter();
            variants.map(|variant| variant["enum"][0].clone()).collect()
        }
    };
    let table = VERBS.iter().filter_map(|verb| verb.op).map(|op| json!(op)).collect();
    assert_eq!(ops(table), ops(published), "the table lacks an operation of sessions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_may_do_and_see_what_the_rules_allow_and_nothing_else() {
    let fixture = Fixture::start();
    let root = fixture.root();
    assert_complete(&root).await;
    let open = async || root.socket("/v1/session", "session", &Opening::Credential).await.expect("a session");
    let leases = lock_every_other(&mut open().await).await;
    let refusals = Mutex::default();
    let over_all = async |caller: &Caller<'_>| {
        let openings = caller.openings().await;
        let over_http = [Version::Http1, Version::Http2].map(|version| over_http(caller, version, &refusals));
        let over_sessions = openings.each_ref().map(|opening| over_a_session(caller, opening, &refusals));
        let over_streams = openings.each_ref().map(|opening| over_event_streams(caller, opening));
        tokio::join!(join_all(over_http), join_all(over_sessions), join_all(over_streams));
    };
    let callers: Vec<_> = fixture.callers().collect();
    let (_, ()) =
        tokio::join!(join_all(callers.iter().map(over_all)), without_a_principal(&fixture, &refusals));
    refusals.into_inner().unwrap().assert_equal(14);
    // Everyone sees other ones of these names.
    let last = ["ab", "a", "ab/a"];
    let open_streams = async |caller: &Caller<'_>| {
        let openings = caller.openings().await;
        join_all(openings.each_ref().map(|opening| open_event_stream(caller, opening))).await
    };
    let streams = join_all(callers.iter().map(open_streams)).await;
    let mut of_root = open().await;
    for name in last {
        let lease = json!({"resource": name, "lease_id": leases[name]["lease_id"]});
        assert!(of_root.request("release", lease).await["released"].is_object());
    }
    for (caller, streams) in callers.iter().zip(streams) {
        let principal = caller.principal;
        for mut stream in streams.into_iter().flatten() {
            for name in last.into_iter().filter(|name| principal.sees(name)) {
                assert_eq!(stream.next_event().await["resource"], name, "seen by {}", principal.name);
            }
        }
    }
}
