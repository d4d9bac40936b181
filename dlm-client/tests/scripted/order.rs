//! The order in which the operations of a caller arrive at the server.

use std::collections::HashMap;
use std::time::Duration;

use dlm_client::{Client, TransportKind};

use super::server::{ScriptedFrames, ScriptedServer};
use super::socket::accept_frame;

const TTL_MS: u64 = 30_000;

/// A caller that is alone writes its frames itself, and callers in a crowd leave them to the
/// client thread. A release that was left must not be overtaken by the next acquire.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn operations_of_a_caller_arrive_in_order_alone_and_in_a_crowd() {
    let server = ScriptedServer::in_session(TTL_MS, |request| match accept_frame(request, TTL_MS) {
        ScriptedFrames::Reply(mut reply) if request.operation() == "acquire" => {
            reply["lease"]["resource"] = request.body["resource"].clone();
            ScriptedFrames::Reply(reply)
        }
        reply => reply,
    });
    let client =
        Client::builder().address(&server.url).transport(TransportKind::Session).connect().await.unwrap();
    for callers in [1, 3, 16, 2, 5, 1, 8].repeat(3) {
        let cycle = |caller: usize| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    drop(client.lock(format!("lock/{caller}")).await.unwrap());
                }
            })
        };
        for caller in (0..callers).map(cycle).collect::<Vec<_>>() {
            caller.await.unwrap();
        }
    }
    client.close(Duration::from_secs(10)).await.unwrap();

    let mut last = HashMap::new();
    for request in server.seen().iter().filter(|request| request.body["resource"].is_string()) {
        let (resource, operation) = (request.body["resource"].to_string(), request.operation().to_owned());
        let expected =
            if last.get(&resource).is_some_and(|last| last == "acquire") { "release" } else { "acquire" };
        assert_eq!(operation, expected, "{resource}");
        last.insert(resource, operation);
    }
    assert!(!last.is_empty() && last.values().all(|last| last == "release"), "{last:?}");
}
