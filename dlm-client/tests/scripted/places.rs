//! The place in the queue while a request waits.

use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_client::{Client, QueuePlace, TransportKind};
use serde_json::json;
use tokio::sync::mpsc;

use super::server::{
    ReceivedRequest, ScriptedFrames, ScriptedReply, ScriptedServer, SessionMode, accept_all, granted, lease,
    new_lease_id,
};
use super::socket::accept_frame;

const TTL: u64 = 30_000;

/// Positions, with the length of the queue.
type Places = Arc<Mutex<Vec<(u64, u64)>>>;

/// Collects the places that a callback is called with.
fn recorded() -> (Places, impl FnMut(QueuePlace) + Send + 'static) {
    let places = Places::default();
    let record = Arc::clone(&places);
    (places, move |place: QueuePlace| record.lock().unwrap().push((place.position, place.queue_len)))
}

#[tokio::test]
async fn place_is_reported_over_the_session_when_the_position_changes() {
    let queued = |id: &serde_json::Value, position: u64| json!({"id": id, "queued": {"position": position, "queue_len": 3}});
    let mut waiting = None;
    let server = ScriptedServer::in_session(TTL, move |request| match request.operation() {
        "acquire" => {
            let id = request.body["id"].clone();
            waiting = Some(id.clone());
            ScriptedFrames::Messages(vec![queued(&id, 3), queued(&json!(999), 1)])
        }
        // The test asks for statuses to let the queue move.
        "status" => {
            let id = waiting.clone().unwrap();
            let reply =
                json!({"id": request.body["id"], "problem": super::server::problem(404, "not-found", None)});
            let step = request.body["resource"].as_str().unwrap();
            ScriptedFrames::Messages(match step {
                "same" => vec![queued(&id, 3), reply],
                "next" => vec![queued(&id, 2), reply],
                _ => vec![json!({"id": id, "lease": lease(&new_lease_id(), TTL)}), queued(&id, 1), reply],
            })
        }
        _ => accept_frame(request, TTL),
    });
    let builder = Client::builder().address(&server.url).transport(TransportKind::Session);
    let client = builder.connect().await.unwrap();
    let (sender, mut places) = mpsc::unbounded_channel();
    let report = move |place: QueuePlace| sender.send(place.position).unwrap();
    let waiting = tokio::spawn(client.lock("orders/42").on_queued(report).into_future());
    assert_eq!(places.recv().await, Some(3));
    for step in ["same", "next"] {
        client.status(step).await.unwrap_err();
    }
    assert_eq!(places.recv().await, Some(2), "the same position is not reported again");
    client.status("grant").await.unwrap_err();
    drop(waiting.await.unwrap().unwrap());
    assert_eq!(places.recv().await, None, "the reply ends the reports");
}

#[tokio::test]
async fn request_of_a_new_client_waits_for_the_session_to_learn_its_place() {
    let open = |request: &ReceivedRequest| match request.operation() {
        "acquire" => ScriptedFrames::Messages(vec![
            json!({"id": request.body["id"], "queued": {"position": 1, "queue_len": 1}}),
            json!({"id": request.body["id"], "lease": lease(&new_lease_id(), TTL)}),
        ]),
        _ => accept_frame(request, TTL),
    };
    let session = SessionMode::Open(Duration::from_millis(50), Box::new(open));
    let server = ScriptedServer::with(session, accept_all(TTL));
    let client = server.client().await;
    let (places, record) = recorded();
    drop(client.lock("orders/42").on_queued(record).await.unwrap());
    assert_eq!(server.seen_of("acquire")[0].path, "session/acquire");
    assert!(places.lock().unwrap().len() <= 1, "the grant may come before the place is looked at");
}

#[tokio::test]
async fn place_is_reported_over_http_with_each_reply_that_the_request_is_queued() {
    let mut positions = vec![2_u64, 2, 1];
    let mut accept = accept_all(TTL);
    let server = ScriptedServer::start(move |request| match request.operation() {
        "acquire" if positions.is_empty() => granted(TTL),
        "acquire" => {
            let position = positions.remove(0);
            let body = json!({"position": position, "queue_len": 5, "holders": [], "idempotency_key": "k"});
            ScriptedReply::After(Duration::from_millis(20), Box::new(ScriptedReply::Json(202, body)))
        }
        _ => accept(request),
    });
    let client = server.client().await;
    let (places, record) = recorded();
    drop(client.lock("orders/42").on_queued(record).await.unwrap());
    assert_eq!(*places.lock().unwrap(), [(2, 5), (1, 5)]);
}

#[tokio::test]
async fn callback_is_not_called_for_a_lock_that_is_free() {
    let server = ScriptedServer::start(accept_all(TTL));
    let client = server.client().await;
    let (places, record) = recorded();
    drop(client.lock("orders/42").on_queued(record).await.unwrap());
    assert!(places.lock().unwrap().is_empty());
}
