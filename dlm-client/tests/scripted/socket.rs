//! The WebSockets of the scripted server.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dlm_protocol::{EVENTS_PROTOCOL, SESSION_PROTOCOL};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::server::{
    Connection, ReceivedRequest, ScriptState, ScriptedFrames, SessionMode, lease, new_lease_id,
};

/// Accepts the upgrade to a WebSocket.
pub(super) async fn accept_upgrade(stream: &mut Connection, key: &str, protocol: &str) {
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\
         sec-websocket-protocol: {protocol}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

/// Serves one session until the client closes it.
pub(crate) async fn session(mut stream: Connection, state: Arc<ScriptState>, upgrade: &ReceivedRequest) {
    let pause = match &*state.session.lock().unwrap() {
        SessionMode::Open(pause, _) => *pause,
        SessionMode::Forbidden | SessionMode::Cut | SessionMode::Flap => Duration::ZERO,
    };
    tokio::time::sleep(pause).await;
    accept_upgrade(&mut stream, upgrade.websocket_key.as_deref().unwrap(), SESSION_PROTOCOL).await;
    let mut closing = state.closing.subscribe();
    state.sessions.fetch_add(1, Ordering::SeqCst);
    if matches!(&*state.session.lock().unwrap(), SessionMode::Flap) {
        return;
    }
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = closing.changed() => {
                let code = *closing.borrow();
                return close(&mut socket, code).await;
            }
        };
        let Some(Ok(message)) = message else { return };
        let Message::Text(text) = message else { continue };
        let request = ReceivedRequest::of_frame(serde_json::from_str(&text).unwrap());
        let reply = match &mut *state.session.lock().unwrap() {
            SessionMode::Open(_, script) => script(&request),
            SessionMode::Forbidden | SessionMode::Cut | SessionMode::Flap => return,
        };
        let id = request.body["id"].clone();
        state.seen.send_modify(|seen| seen.push(request));
        let messages = match reply {
            ScriptedFrames::Reply(mut reply) => {
                reply["id"] = id;
                vec![reply]
            }
            ScriptedFrames::Messages(messages) => messages,
            ScriptedFrames::Freeze => {
                state.frozen.store(true, Ordering::SeqCst);
                pending().await
            }
            ScriptedFrames::Close => return,
        };
        for message in messages {
            if socket.feed(Message::text(message.to_string())).await.is_err() {
                return;
            }
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}

/// Serves an event stream without events until it is closed.
pub(crate) async fn events(mut stream: Connection, state: &ScriptState, upgrade: &ReceivedRequest) {
    accept_upgrade(&mut stream, upgrade.websocket_key.as_deref().unwrap(), EVENTS_PROTOCOL).await;
    let mut closing = state.closing.subscribe();
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    let synced = json!({"type": "synced", "cursor": "c0"});
    if socket.send(Message::text(synced.to_string())).await.is_err() {
        return;
    }
    tokio::select! {
        _ = socket.next() => {}
        _ = closing.changed() => {
            let code = *closing.borrow();
            close(&mut socket, code).await;
        }
    }
}

/// Closes a socket with a code and waits for the answer.
async fn close(socket: &mut WebSocketStream<Connection>, code: u16) {
    let frame = CloseFrame { code: code.into(), reason: "".into() };
    // The client may be gone.
    let _ = socket.close(Some(frame)).await;
    while let Some(Ok(_)) = socket.next().await {}
}

/// Accepts every request over a session: grants, renews, releases and cancels.
pub(crate) fn accept_frame(request: &ReceivedRequest, ttl_ms: u64) -> ScriptedFrames {
    let leases = request.body["leases"].as_array().cloned().unwrap_or_default();
    let renewed = |item: &Value| json!({"lease": lease(item["lease_id"].as_str().unwrap(), ttl_ms)});
    ScriptedFrames::Reply(match request.operation() {
        "acquire" => json!({"lease": lease(&new_lease_id(), ttl_ms)}),
        "renew" if leases.is_empty() => renewed(&request.body),
        "renew" => json!({"results": leases.iter().map(renewed).collect::<Vec<_>>()}),
        "cancel" => json!({"cancel": {"outcome": "cancelled"}}),
        _ => json!({"released": {"released": true, "fencing_token": 7}}),
    })
}
